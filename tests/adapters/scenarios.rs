//! The scenarios, by subject: one per rule.

pub(crate) mod clients;
pub(crate) mod cookies;
pub(crate) mod counting;
pub(crate) mod errors;
pub(crate) mod http2;
pub(crate) mod identity;
pub(crate) mod late;
pub(crate) mod outages;
pub(crate) mod panics;
pub(crate) mod routes;
pub(crate) mod settings;
pub(crate) mod sockets;
pub(crate) mod streams;

use std::time::Duration;

use cloakroom::stores::MemoryStore;
use cloakroom::testing::FaultyStore;
use cloakroom::{Locking, Settings};
use cloakroom_tests::{Browser, Request, Response, Script};
use tokio::task::JoinHandle;

use crate::site::{Adapter, Site};

/// A test for each scenario, with this adapter.
macro_rules! each {
    ($adapter:ty) => {
        $crate::scenarios::each! { $adapter:
            counting {
                a_counter_counts,
                parallel_additions_of_one_browser_are_all_there,
                parallel_writes_to_different_keys_are_all_there,
                parallel_requests_that_have_the_session_to_themselves_all_count,
                whoever_follows_a_redirect_finds_what_was_saved,
                initial_values_are_read_and_stored_only_when_written,
            }
            cookies {
                an_untouched_session_costs_nothing_and_leaves_no_trace,
                a_cookie_is_set_once_with_its_attributes,
                the_handler_s_own_cookie_stays_beside_ours,
                the_handler_s_own_headers_about_caches_are_respected_unless_there_is_a_cookie,
                a_page_of_a_signed_in_user_is_private_unless_its_handler_says_otherwise,
                the_cookie_is_found_in_any_field,
                duplicates_and_garbage_around_the_cookie_do_not_matter,
                two_live_sessions_in_one_request_are_none,
                a_byte_that_is_not_utf_8_beside_the_cookie,
                an_oversized_cookie_field_harms_nobody,
                head_and_options_are_requests_like_get,
            }
            errors {
                below_500_saves_and_above_does_not,
                a_sign_out_holds_even_if_the_answer_is_a_500,
                an_error_of_the_session_is_the_response,
                a_conflict_at_the_end_replaces_the_response,
                a_write_to_a_session_that_ended_is_answered_409,
            }
            panics {
                a_panic_saves_nothing,
                a_panic_frees_the_session,
                a_sign_out_before_a_panic_holds,
            }
            identity {
                a_request_across_a_rotation_goes_on,
                the_old_secret_of_a_rotation_works_until_the_new_one_was_presented_for_a_grace,
                an_elevation_throws_out_everybody_else_at_once,
                a_dead_cookie_is_late_for_ten_seconds_and_with_a_body_for_five_minutes,
                a_request_across_a_sign_in_writes_nothing_and_keeps_the_new_cookie,
                a_login_clicked_twice_ends_signed_in,
                a_request_across_a_sign_out_does_not_bring_the_session_back,
                a_visitor_begins_anew_after_a_sign_out,
            }
            late {
                a_dead_cookie_saves_nothing_at_first_and_is_a_new_visitor_s_then,
                a_request_held_for_a_minute_across_a_sign_out_saves_nothing,
                an_upload_that_a_proxy_held_back_across_a_sign_in_saves_nothing,
                a_trusted_proxy_says_when_a_request_began,
            }
            streams {
                a_stream_saves_at_its_end,
                a_stream_arrives_piece_by_piece,
                a_stream_learns_that_its_visitor_signed_out,
                a_stream_learns_that_its_session_expired,
                a_stream_is_told_at_once_that_its_visitor_signed_out,
                a_stream_holds_no_lock,
                a_stream_cannot_change_the_cookie,
                a_stream_ends_its_session,
                a_stream_whose_client_left_saves_what_it_says_and_no_more,
            }
            sockets {
                a_socket_reads_and_saves_its_session,
                a_socket_learns_that_its_visitor_signed_out,
                a_socket_learns_that_its_session_expired,
                a_socket_holds_no_lock,
                a_cookie_comes_with_the_upgrade_if_one_is_due,
                a_session_cannot_begin_in_a_socket,
                an_upgrade_whose_session_was_not_saved_does_not_happen,
            }
            clients {
                a_client_that_hangs_up_leaves_its_session_free,
                a_client_that_hangs_up_leaves_a_locked_route_free,
            }
            http2 {
                parallel_requests_on_one_connection_all_count,
                the_cookie_is_found_in_any_crumb,
                an_oversized_cookie_field_harms_nobody,
                a_request_that_is_reset_leaves_its_session_free,
                an_error_replaces_the_response_and_the_connection_goes_on,
                a_stream_reads_and_saves_its_session,
            }
            settings {
                an_expired_session_is_answered_with_the_message_instead_of_the_page,
                a_session_stays_with_the_address_that_a_trusted_proxy_tells,
                a_session_stays_with_the_address_of_its_peer,
                a_session_locked_early_is_refused_before_the_handler_runs,
            }
            outages {
                an_outage_is_503_and_signs_nobody_out,
                a_response_whose_session_was_not_saved_is_replaced_headers_and_all,
                a_first_visit_that_was_not_saved_gets_no_cookie,
                a_session_that_cannot_be_locked_early_is_refused_before_the_handler_runs,
                head_and_options_are_answered_503_like_get,
                a_degraded_route_goes_on_without_its_session,
            }
            routes {
                a_locked_route_has_the_session_to_itself,
                a_no_touch_route_does_not_keep_the_session_alive,
                a_route_without_sessions_asks_nobody,
                a_route_for_users_knows_who_it_is,
                a_route_for_users_answers_503_while_the_store_is_down,
                a_handler_outside_the_adapter_is_told_what_is_missing,
                an_adapter_inside_another_shares_its_session,
                an_adapter_inside_another_does_not_lock_its_session_again,
                an_adapter_inside_another_with_another_cookie_name_has_a_session_of_its_own,
                an_adapter_inside_another_with_its_cookie_name_and_another_engine_is_refused,
                a_body_passes_through_untouched,
            }
        }
    };
    ($adapter:ty: $($subject:ident { $($scenario:ident,)* })*) => {
        $(mod $subject {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $scenario() {
                $crate::scenarios::in_time($crate::scenarios::$subject::$scenario::<$adapter>()).await;
            })*
        })*
    };
}
pub(crate) use each;

/// Fails a scenario in which somebody waits for ever.
pub(crate) async fn in_time(scenario: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), scenario).await.expect("somebody waits for ever");
}

const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(30);
const REMOVAL: &str = "__Host-id=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";
const NO_COOKIES: [&str; 0] = [];

async fn site<A: Adapter>() -> Site {
    site_with::<A>(Settings::default()).await
}

async fn site_with<A: Adapter>(settings: Settings) -> Site {
    Site::start::<A>(MemoryStore::new(), settings).await
}

/// A site whose store counts its calls, and fails when told to.
async fn faulty_site<A: Adapter>() -> (Site, FaultyStore<MemoryStore>) {
    faulty_site_with::<A>(Settings::default()).await
}

async fn faulty_site_with<A: Adapter>(settings: Settings) -> (Site, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new());
    (Site::start::<A>(store.clone(), settings).await, store)
}

/// Settings under which requests overlap as they like.
fn optimistic() -> Settings {
    Settings::new().locking(Locking::Explicit)
}

/// Starts a request that will wait at gate `a`, and waits until it is there.
async fn held(browser: &Browser, script: &Script, request: Request) -> JoinHandle<Response> {
    let tab = browser.tab();
    let request = tokio::spawn(async move { tab.send(request).await });
    script.a.arrival().await;
    request
}

/// Waits for what happens in the background, on its own time but soon.
async fn eventually(what: impl AsyncFn() -> bool) {
    while !what().await {
        tokio::task::yield_now().await;
    }
}

/// It is the error's own response: nothing of the handler's, and no cookie.
fn is_error(response: &Response, status: u16, text: &str) {
    assert_eq!((response.status, &*response.body), (status, text));
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    has_an_error_s_head(response, status);
}

/// The same, of a guard: the framework may have its own way to say so.
fn is_guard_error<A: Adapter>(response: &Response, status: u16, text: &str) {
    if A::DIFFERENCES.words_guard_errors {
        assert_ne!(response.body, text);
        has_an_error_s_head(response, status);
    } else {
        is_error(response, status, text);
    }
}

fn has_an_error_s_head(response: &Response, status: u16) {
    assert_eq!(response.status, status);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(response.header("retry-after"), (status == 503).then_some("1"));
    assert_eq!(response.header("x-handler"), None);
    assert_eq!(response.cookies(), NO_COOKIES);
}

fn is_outage(response: &Response) {
    is_error(response, 503, "the session store is unavailable");
}
