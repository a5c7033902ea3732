//! The one list of all checks, and the macros that make tests of it.

/// Hands the list of all checks, by group, to the macro `$then`, after `$args`.
#[doc(hidden)]
#[macro_export]
macro_rules! __cloakroom_checks {
    ($then:ident $args:tt) => {
        $crate::$then! { $args
            lifecycle {
                a_created_record_is_loaded_as_it_was
                a_key_without_a_record_loads_as_none
                create_over_a_record_answers_exists_and_changes_nothing
                create_over_an_expired_record_answers_exists
                replace_takes_over_every_field
                replace_may_shorten_a_life
                replace_of_another_revision_answers_conflict_and_changes_nothing
                revisions_are_compared_for_equality_only
                replace_without_a_record_answers_missing_and_creates_nothing
                delete_removes_the_record_and_says_so
                delete_without_a_record_answers_false
                a_deleted_key_takes_a_new_record
                an_expired_record_is_still_loaded
                an_expired_record_can_be_replaced_and_deleted
                every_handle_sees_what_was_acknowledged
            }
            keys {
                keys_that_differ_in_one_bit_name_different_records
                a_change_leaves_other_records_alone
                the_first_and_the_last_key_hold_records
            }
            payloads {
                empty_data_is_data
                any_bytes_are_data
                large_data_is_kept
                huge_data_is_kept_whole_or_refused
                any_subject_is_kept_byte_for_byte
                revisions_have_64_bits
                timestamps_are_kept_to_the_millisecond
            }
            touch {
                touch_moves_the_expiry_and_nothing_else
                touch_causes_no_conflict
                touch_never_moves_the_expiry_back
                touch_never_revives_an_expired_record
                a_record_is_dead_at_its_expiry_and_alive_just_before
                touch_without_a_record_answers_false_and_creates_nothing
                touch_reaches_the_ends_of_time
            }
            purge {
                purge_takes_only_what_expired_before_the_cutoff
                purge_knows_the_ends_of_time
                purge_takes_at_most_the_limit
                fewer_than_the_limit_means_that_none_are_left
                purge_answers_how_many_it_removed
                a_limit_of_zero_removes_nothing
                the_greatest_limit_is_no_overflow
                purge_goes_by_the_last_touch
                purge_goes_by_the_last_replace
                a_purged_record_is_gone
                purge_passes_over_deleted_records
            }
            expiry {
                what_expired_minutes_ago_is_still_served
                what_expired_long_ago_goes_by_itself_or_not_at_all
                a_lengthened_record_outlives_its_first_expiry
                a_caller_whose_clock_is_off_loses_nothing
                a_holder_whose_clock_is_off_loses_nothing
                what_expired_long_ago_by_a_fast_clock_goes_too
            }
            races {
                of_several_creates_exactly_one_wins
                of_several_replaces_exactly_one_wins
                of_several_deletes_exactly_one_finds_the_record
                replace_against_delete_never_resurrects
                touch_against_delete_never_resurrects
                touch_against_replace_loses_nothing
                create_against_delete_is_refused_or_stays
                purge_against_touch_spares_what_was_touched
                purge_against_replace_spares_what_was_replaced
                purge_against_purge_counts_each_record_once
                load_against_replace_sees_a_whole_record
                no_update_is_lost
            }
            cancellation {
                a_dropped_create_is_all_or_nothing
                a_dropped_replace_is_all_or_nothing
                a_dropped_touch_is_all_or_nothing
                a_dropped_delete_is_all_or_nothing
                a_dropped_write_blocks_nobody
                a_dropped_load_never_answers_the_next_one
            }
            foreign {
                a_record_of_another_key_is_corrupt
                bytes_that_are_no_record_are_corrupt
                a_record_of_a_later_version_is_neither_missing_nor_corrupt
                create_never_overwrites_foreign_bytes
                replace_never_overwrites_foreign_bytes
                touch_finds_nothing_alive_in_foreign_bytes
                delete_of_foreign_bytes_tells_the_truth
                delete_removes_a_record_of_a_later_version
                purge_is_not_stopped_by_foreign_bytes
                scan_passes_over_foreign_bytes
                list_passes_over_foreign_bytes
                end_all_is_not_stopped_by_foreign_bytes
                acquire_hands_out_no_foreign_record
            }
            durability {
                writes_survive_a_restart
                touches_survive_a_restart
                removals_survive_a_restart
                subjects_survive_a_restart
            }
            facets {
                leases_are_there_exactly_if_listed
                subjects_are_there_exactly_if_listed
                scan_is_there_exactly_if_listed
                notices_are_there_exactly_if_listed
                acquire_and_load_return_the_same
                replace_and_release_writes_what_load_returns
                a_walk_and_load_return_the_same
                a_list_and_load_return_the_same
            }
            leases {
                acquire_answers_with_the_record
                acquire_without_a_record_answers_missing
                an_expired_record_can_be_leased
                a_held_lease_is_busy
                leases_on_different_records_are_independent
                the_holder_may_acquire_again
                lease_ids_have_64_bits
                release_frees_the_lease
                release_by_another_does_nothing
                a_second_release_does_nothing
                of_several_acquires_exactly_one_holds
                a_lease_hinders_no_other_call
                replace_keeps_the_lease
                touch_keeps_the_lease
                delete_ends_the_lease
                replace_and_release_does_both
                replace_and_release_of_another_revision_changes_nothing
                replace_and_release_without_a_record_creates_nothing
                replace_and_release_frees_only_ones_own_lease
            }
            lease_expiry {
                an_expired_lease_is_taken_over_with_a_new_revision
                a_stale_holder_conflicts
                a_late_holder_without_a_successor_still_replaces
                of_several_successors_exactly_one_holds
                renew_lengthens_the_lease
                acquiring_again_lengthens_the_lease
                renew_by_another_does_nothing
                a_lease_that_ran_out_is_not_renewed
                a_lease_too_far_ahead_is_taken_over
                a_lease_a_little_ahead_is_held
                a_lease_is_overruled_if_it_is_the_one_that_was_seen
                a_mismatch_takes_over_no_expired_lease
            }
            guards {
                a_guard_that_matches_is_held
                a_guard_that_does_not_match_takes_no_lease
                every_byte_of_a_guard_is_compared
                data_that_is_too_short_matches_no_guard
                an_expired_record_matches_no_guard
                a_mismatch_comes_before_a_held_lease
                a_guard_without_a_record_is_missing
                a_guard_is_compared_with_the_present_record
            }
            waiting {
                wait_for_a_free_lease_returns_at_once
                wait_without_a_record_returns_at_once
                wait_returns_after_at_most
                release_ends_a_wait
                replace_and_release_ends_a_wait
                delete_ends_a_wait
                a_dropped_waiter_swallows_no_wake_up
            }
            subjects {
                records_of_a_subject_are_listed
                the_present_record_is_listed
                a_record_is_listed_under_its_new_subject
                a_record_is_not_listed_under_its_former_subject
                an_enrolled_key_alone_is_not_listed
                enroll_counts_the_entries_of_the_subject
                a_key_that_is_enrolled_again_counts_once
                enroll_counts_every_stored_record
                a_record_is_listed_once
                a_record_that_is_gone_is_not_listed
                expired_records_are_listed
                a_subject_may_have_many_records
                a_page_is_not_all_of_a_subject
                a_list_in_small_pages_is_whole
                a_list_goes_on_through_another_handle
                a_list_among_changes_holds_what_stays
                subjects_are_compared_byte_for_byte
                end_all_ends_the_subjects_records
                end_all_spares_the_exception
                end_all_ends_expired_records
                end_all_spares_what_has_passed_to_another
                end_all_against_a_change_of_subject_ends_it_or_spares_it
                end_all_against_a_replace_leaves_nothing
            }
            scan {
                an_empty_store_has_nothing_to_walk_over
                a_walk_sees_every_record
                a_walk_in_pages_of_one_sees_every_record
                a_page_is_not_the_whole_store
                a_walk_goes_on_through_another_handle
                a_walk_among_changes_sees_what_stays
                count_counts_what_is_alive
                count_follows_every_change
            }
            notices {
                a_published_change_reaches_every_listener
                a_listener_that_is_gone_stops_no_message
                a_message_changes_no_record
            }
        }
    };
}

/// The list as values.
#[doc(hidden)]
#[macro_export]
macro_rules! __cloakroom_list {
    ([] $($group:ident { $($name:ident)* })*) => {
        &[$($(Check {
            group: stringify!($group),
            name: stringify!($name),
            run: |harness| Box::pin($group::$name(harness)),
        },)*)*]
    };
}

/// The list as tests. `$test` is the attribute of a test: `[test]`, or one that takes an `async fn`.
#[doc(hidden)]
#[macro_export]
macro_rules! __cloakroom_tests {
    ($test:tt $($group:ident { $($name:ident)* })*) => {
        $(mod $group {
            $($crate::__cloakroom_test! { $test $group $name })*
        })*
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cloakroom_test {
    ([test] $group:ident $name:ident) => {
        #[test]
        fn $name() {
            $crate::conformance::block_on(async {
                $crate::conformance::$group::$name(&super::cloakroom_harness().await).await;
            });
        }
    };
    ([$($test:tt)+] $group:ident $name:ident) => {
        #[$($test)+]
        async fn $name() {
            $crate::conformance::$group::$name(&super::cloakroom_harness().await).await;
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __cloakroom_suite {
    (test = #[$($test:tt)+], harness = $harness:expr $(,)?) => {
        async fn cloakroom_harness() -> impl $crate::conformance::Harness {
            $harness
        }
        $crate::__cloakroom_checks!(__cloakroom_tests [$($test)+]);

        #[test]
        fn the_number_of_checks_is_printed() {
            $crate::conformance::print_number_of_checks(module_path!());
        }
    };
    (harness = $harness:expr $(,)?) => {
        $crate::__cloakroom_suite!(test = #[test], harness = $harness);
    };
    (
        test = #[$($test:tt)+],
        spawn = $spawn:expr,
        facets = [$($facet:ident),* $(,)?],
        impossible = [plant, reopen],
        store = $store:expr $(,)?
    ) => {
        $crate::__cloakroom_suite!(
            test = #[$($test)+],
            harness = $crate::conformance::Plain::new($store, &[$($crate::conformance::Facet::$facet),*])
                .spawning_with(|task| drop($spawn(task)))
        );
    };
    (facets = [$($facet:ident),* $(,)?], impossible = [plant, reopen], store = $store:expr $(,)?) => {
        $crate::__cloakroom_suite!(
            test = #[test],
            harness = $crate::conformance::Plain::new($store, &[$($crate::conformance::Facet::$facet),*])
        );
    };
}
