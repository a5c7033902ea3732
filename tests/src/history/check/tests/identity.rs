use super::story::{S1, S1_NEW, S2, Story};
use crate::history::Everything;

fn with_one() -> Story {
    let mut story = Story::new();
    story.new_session(0, S1, "append-1").saw(&[1]);
    story
}

#[test]
fn a_session_given_to_two_browsers_and_a_cookie_issued_twice_are_against_i1() {
    for again in [S1, S1_NEW] {
        let mut story = with_one();
        story.new_session(1, again, "pair-2");
        story.rejected("I1");
    }
}

#[test]
fn a_cookie_that_nobody_issued_and_that_works_is_against_i2() {
    let mut story = with_one();
    story.fresh(1, S2, "look");
    story.accepted();
    story.ok(1, S2, "look").saw(&[]);
    story.rejected("I2");
}

#[test]
fn a_cookie_that_nobody_issued_and_that_is_adopted_is_against_i2() {
    let mut story = with_one();
    story.fresh(1, S2, "pair-2").sets(S2);
    story.rejected("I2");
}

#[test]
fn a_token_in_another_session_than_its_own_is_against_i3() {
    let mut story = with_one();
    story.new_session(1, S2, "append-2").saw(&[2]);
    story.ok(1, S2, "look").saw(&[2, 1]);
    story.rejected("I3");
}

#[test]
fn a_token_that_nobody_wrote_is_against_i3() {
    let mut story = with_one();
    story.ok(0, S1, "look").saw(&[1, 7]);
    story.rejected("I3");
}

#[test]
fn what_was_written_for_one_user_and_is_with_another_is_against_i5() {
    let mut story = with_one();
    story.ok(0, S1, "sign_in-ann").sets(S1_NEW);
    story.of(Some("ann")).begin(0, Some(S1_NEW), "pair-2").does(Some(S1_NEW));
    let pair = story.number();
    story.ok(0, S1_NEW, "sign_in-bob").sets([1, 3]);
    story.back_to(pair).ends(200);
    story.of(Some("bob")).ok(0, [1, 3], "look").saw_all(&[], Everything::default());
    story.accepted();

    let entry = || vec![(2, Some("ann".to_owned()))];
    let kept = Everything { left: entry(), right: entry(), accounts: Vec::new() };
    story.ok(0, [1, 3], "look").saw_all(&[], kept);
    story.rejected("I5");
}

#[test]
fn what_a_visitor_wrote_before_signing_in_is_the_users() {
    let mut story = with_one();
    story.ok(0, S1, "sign_in-ann").sets(S1_NEW);
    story.of(Some("ann")).ok(0, S1_NEW, "look").saw_all(&[(1, None)], Everything::default());
    story.accepted();
}

#[test]
fn a_sign_in_that_comes_to_nothing_hides_the_last_users_data_from_its_own_request_alone() {
    let mut story = Story::new();
    story.of(Some("bob")).new_session(0, S1, "sign_in-bob/append-1").saw(&[1]);
    story.begin(0, Some(S1), "sign_in-ann/look/fail").does(Some(S1));
    story.of(Some("ann")).does(Some(S1)).saw(&[]).does(Some(S1)).ends(500);
    story.accepted();
    story.of(Some("bob")).ok(0, S1, "look").saw(&[]);
    story.rejected("U1");
}
