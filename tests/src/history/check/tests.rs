//! Histories written by hand: a good one is accepted, and each bad one is rejected for its property.

mod ends;
mod identity;
mod locks;
mod story;
mod updates;

use self::story::{S1, S1_NEW, Story};

#[test]
fn a_history_in_which_all_goes_well_is_accepted() {
    let mut story = Story::new();
    story.new_session(0, S1, "append-1").saw(&[1]);
    story.ok(0, S1, "append-2").saw(&[1, 2]);
    story.ok(0, S1, "look").saw(&[1, 2]);
    story.ok(0, S1, "rotate").sets(S1_NEW);
    story.ok(0, S1, "look").saw(&[1, 2]);
    story.ok(0, S1_NEW, "take").saw(&[1, 2]);
    story.ok(0, S1_NEW, "look").saw(&[]);
    story.ok(0, S1_NEW, "sign_out").removes();
    story.fresh(0, S1, "look");
    story.accepted();
}

#[test]
fn a_request_that_never_ends_is_against_h4_and_one_whose_client_left_is_not() {
    let mut story = Story::new();
    story.begin(0, None, "append-1");
    story.rejected("H4");

    let mut story = Story::new();
    story.begin(0, None, "append-1").hangs_up();
    story.accepted();
}
