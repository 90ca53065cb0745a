//! What every backend of the ports must do, as functions against the ports alone.
//!
//! A backend shows that it does by one line: `contract_tests!(open)`, where `open` gives a [`Backend`] that is
//! empty and shows the time of its own clock.

pub(crate) mod given;
pub(crate) mod road;

pub(crate) use given::Backend;

/// Makes a test of each function of the suite for the backend that `$open` gives.
macro_rules! contract_tests {
    ($open:expr; $($module:ident: $($name:ident),+;)+) => {
        $(mod $module {
            use super::*;
            $(
                #[tokio::test]
                async fn $name() {
                    let (_keep, backend) = $open();
                    crate::contract::$module::$name(&backend).await;
                }
            )+
        })+
    };
    ($open:expr) => {
        $crate::contract::contract_tests! { $open;
            road: a_job_from_request_to_file;
        }
    };
}
pub(crate) use contract_tests;
