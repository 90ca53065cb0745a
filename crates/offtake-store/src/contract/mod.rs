//! What every backend of the ports must do, as functions against the ports alone.
//!
//! A backend shows that it does by one line: `contract_tests!(open)`, where `open` gives a [`Backend`] that is
//! empty and shows the time of its own clock, together with what must outlive it.

pub(crate) mod access;
pub(crate) mod alerts;
pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod destinations;
pub(crate) mod events;
pub(crate) mod given;
pub(crate) mod leases;
pub(crate) mod limits;
pub(crate) mod model;
pub(crate) mod objects;
pub(crate) mod outbox;
pub(crate) mod presets;
pub(crate) mod requests;
pub(crate) mod road;
pub(crate) mod schedules;
pub(crate) mod tickets;
pub(crate) mod tokens;
pub(crate) mod turns;
pub(crate) mod upkeep;
pub(crate) mod webhooks;

pub(crate) use given::Backend;

/// Makes a test of each function of the suite for the backend that `$open` gives.
macro_rules! contract_tests {
    (each $open:ident: $($module:ident { $($name:ident)+ })+) => {
        $(mod $module {
            $(
                #[tokio::test]
                async fn $name() {
                    let (_keep, backend) = super::$open().await;
                    crate::contract::$module::$name(&backend).await;
                }
            )+
        })+
    };
    ($open:ident) => {
        crate::contract::contract_tests! { each $open:
            road { a_job_from_request_to_file }
            requests {
                a_request_is_kept_as_it_is
                an_idempotency_key_makes_one_job
                concurrent_requests_with_one_key_make_one_job
                every_verb_is_scoped
                pages_show_each_job_once
                lists_are_narrowed
                cancel_ends_what_is_active_and_nothing_else
                retry_goes_on_from_the_checkpoint
                retry_comes_too_late
                performance_and_statistics_add_up
                those_who_wait_are_woken
            }
            leases {
                a_rescued_lease_is_void
                a_cancelled_lease_is_void
                a_lease_that_was_given_back_is_void
                a_lease_that_ran_out_holds_until_it_is_taken
                the_oldest_due_job_comes_first
                a_pinned_job_waits_for_its_worker
                claimers_never_share_a_job
                progress_never_goes_back
                a_plan_is_made_once_unless_it_is_forgotten
                plans_come_back_exactly
                a_checkpoint_names_an_artifact_of_its_job
                nothing_is_published_in_halves
                cancel_and_complete_at_once_have_one_winner
            }
            limits {
                fifty_at_once_do_not_pass_the_limit
                what_is_over_makes_room
                a_known_key_is_answered_at_the_limit
                a_retry_becomes_active
                an_hour_is_the_last_hour
            }
            turns {
                the_first_job_of_an_organization_is_next
                with_one_slot_they_alternate
                who_has_fewest_running_is_next
                an_organization_leaves_a_slot_to_others
                many_organizations_are_served_alike
                what_lost_its_worker_goes_on_first
                an_organization_whose_jobs_are_not_due_is_passed_over
            }
            upkeep {
                a_job_is_rescued_after_its_deadline
                heartbeats_keep_the_lease
                the_third_death_is_poison
                a_checkpoint_that_gets_on_resets_the_counters
                a_job_that_only_repeats_itself_is_poison
                shutting_down_is_no_death
                a_worker_that_restarts_takes_its_jobs_back_at_once
                rows_are_pruned_when_nothing_is_left_of_them
                a_failed_job_that_may_be_retried_is_not_pruned
                thousands_of_rows_are_pruned
                statistics_count_what_was_pruned
                depth_counts_what_waits_and_runs
            }
            artifacts {
                staging_names_the_key
                only_a_completed_job_has_a_file
                a_file_expires_object_first
                a_file_can_be_given_up_early
                staged_bytes_stay_while_somebody_uses_them
                a_crash_while_publishing_keeps_what_is_needed
                a_failed_job_keeps_its_bytes_until_its_time_is_over
                a_cancelled_job_keeps_nothing
                keys_without_a_row_are_told_apart
            }
            access {
                a_principal_is_noted_as_it_is_seen
                noting_it_again_waits_a_minute
                what_is_decided_holds_at_once
                principals_are_listed_in_pages
                nobody_sees_another_organizations_principals
                an_address_is_somebodys_of_the_organization
                a_key_is_kept_without_the_key
                a_key_ends_by_the_databases_clock
                a_revoked_key_stays_known
                a_key_stands_with_its_maker
                keys_are_the_organizations_own
                there_are_only_so_many_keys
                a_ticket_opens_one_session
                a_session_ends_by_itself_and_by_hand
                a_running_job_hears_that_it_is_revoked
                nothing_is_published_for_who_may_not_have_it
                what_a_revoked_key_asked_for_ends
            }
            schedules {
                a_schedule_is_kept_as_it_is
                a_change_is_made_to_the_version_that_was_seen
                there_are_only_so_many_schedules
                a_due_schedule_is_evaluated_by_one
                a_window_has_one_job
                the_end_of_a_run_is_noted_once
                what_stands_in_the_way_is_remembered
            }
            destinations {
                a_destination_is_kept_as_it_is
                a_destination_is_changed_as_it_was_seen
                secrets_of_destinations_are_sealed_anew
                organizations_do_not_see_each_others_destinations
                a_delivery_is_owed_once_there_is_a_file
                a_delivery_is_tried_by_one
                a_worker_that_comes_back_goes_on_with_its_deliveries
                how_far_an_upload_has_come_is_kept
                a_try_decides_what_follows_for_a_delivery
                what_was_given_up_is_told_and_can_be_owed_again
                what_is_given_up_again_and_again_pauses_its_schedule
                what_was_mended_is_tried_at_once
            }
            webhooks {
                an_endpoint_is_kept_without_its_secrets
                an_endpoint_is_changed_in_parts
                another_url_has_another_key
                two_keys_sign_while_one_replaces_the_other
                organizations_do_not_see_each_others_endpoints
                there_are_only_so_many_endpoints
                who_gives_up_again_and_again_disables
                who_is_gone_is_disabled_once
                keys_are_sealed_anew
                what_is_done_to_endpoints_is_told
                who_wants_an_event_is_owed_it
                what_is_disabled_is_told
                a_test_is_owed_to_one
            }
            alerts {
                a_rule_is_kept_as_it_is
                organizations_do_not_see_each_others_rules
                one_counts_at_a_time
                who_counts_writes_that_down_rarely
                what_was_counted_is_written_down_whole
                what_is_counted_otherwise_begins_anew
            }
            tickets {
                a_ticket_comes_back_as_it_was_made
                of_fifty_who_spend_a_ticket_one_succeeds
                a_ticket_ends_by_the_clock_of_the_database
            }
            tokens {
                a_token_is_known_by_its_digest
                a_token_is_spent_once
                a_token_ends_by_the_clock_of_the_database
                a_fresh_token_takes_the_place_of_the_one_before
                tokens_are_listed_and_taken_back
                tokens_are_of_jobs_of_their_organization
                of_many_who_spend_a_token_one_succeeds
                old_tokens_are_pruned
                a_token_goes_with_its_job
            }
            events {
                every_transition_is_told
                what_lost_its_worker_is_told_of
                numbers_have_no_gaps_and_follow_the_commits
                events_are_the_organizations_own
                somebody_may_tell_something_else
                old_events_go_from_the_oldest_on
                whoever_listens_is_woken
                an_alarm_is_raised_once_and_ends_once
            }
            outbox {
                whoever_asked_is_owed_word
                what_is_owed_is_taken_by_one
                who_dies_of_it_is_taken_from
                a_try_decides_what_follows
                a_late_word_is_in_the_log_alone
                it_can_be_owed_again
                notifications_are_narrowed_and_paged
                what_is_over_is_forgotten
            }
            audit {
                a_change_and_its_entry_are_one
                what_is_decided_about_people_and_keys_is_told
                one_time_tokens_are_told_and_not_given_away
                what_was_not_done_has_no_entry
                each_organization_has_a_chain_of_its_own
                entries_are_narrowed_and_paged
                many_at_once_make_one_chain
                old_entries_leave_a_chain_that_can_be_checked
            }
        }

        #[test]
        fn random_verbs_do_what_the_model_says() {
            crate::contract::model::random_verbs_do_what_the_model_says($open);
        }
    };
}
pub(crate) use contract_tests;

/// The same for presets: `$open` gives what must outlive them and an empty store.
macro_rules! preset_tests {
    (each $open:ident: $($name:ident)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (_keep, presets) = $open().await;
                crate::contract::presets::$name(presets.as_ref()).await;
            }
        )+
    };
    ($open:ident) => {
        crate::contract::preset_tests! { each $open:
            a_preset_is_kept_as_it_is
            a_name_is_taken_once_in_an_organization
            organizations_do_not_see_each_other
            a_change_needs_the_version_it_is_made_to
            there_are_only_so_many
        }
    };
}
pub(crate) use preset_tests;

/// The same for object storage: `$open` gives what must outlive it and an empty store.
macro_rules! object_tests {
    (each $open:ident: $($name:ident)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (_keep, objects) = $open().await;
                crate::contract::objects::$name(&objects).await;
            }
        )+
    };
    ($open:ident) => {
        crate::contract::object_tests! { each $open: a_key_is_taken_once }
        crate::contract::object_tests! { without conditions $open }
    };
    (without conditions $open:ident) => {
        crate::contract::object_tests! { each $open:
            an_object_is_seen_whole_or_not_at_all
            an_upload_without_parts_is_an_empty_object
            an_aborted_upload_leaves_nothing
            resuming_takes_the_listed_parts_and_only_these
            resuming_finds_what_was_finished_but_not_published
            resuming_without_the_earlier_parts_is_refused
            a_worker_that_lost_its_lease_harms_nothing
            a_worker_that_lost_its_lease_publishes_nothing
            small_objects_are_replaced
            reading_gives_exactly_the_range_in_small_pieces
            deleting_takes_what_lies_beside
            dropped_uploads_are_found
            it_answers
        }
    };
}
pub(crate) use object_tests;
