//! One cell, exactly: what filters compare with and what keys are made of.

use serde::{Deserialize, Serialize};

/// A value with its type. Nothing is rounded: microseconds stay microseconds, decimals stay decimals.
///
/// The serialised form is tagged (`{"ts": 1794607391787767}`), because keys in plans and cursors must come
/// back as the type they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// SQL's NULL.
    #[serde(rename = "null")]
    Null,
    /// True or false.
    #[serde(rename = "b")]
    Bool(bool),
    /// A 64-bit integer.
    #[serde(rename = "i")]
    Int(i64),
    /// A double.
    #[serde(rename = "f")]
    Float(f64),
    /// `unscaled` × 10^-`scale`.
    #[serde(rename = "d")]
    Decimal {
        /// The digits.
        #[serde(rename = "u")]
        unscaled: i128,
        /// How many of them stand after the point.
        #[serde(rename = "s")]
        scale: i8,
    },
    /// Text.
    #[serde(rename = "s")]
    Text(String),
    /// Microseconds since the epoch, UTC.
    #[serde(rename = "ts")]
    Timestamp(i64),
    /// Days since the epoch.
    #[serde(rename = "date")]
    Date(i32),
}
