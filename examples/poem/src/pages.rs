//! The pages. What users wrote goes through [`escaped`].

use poem::web::Html;

use crate::forms::{Guest, Table};

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in Poem</title>
<style>body{font:1rem system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}</style>
"#;

const HOME: &str = r#"<p><a href="/">Home</a></p>"#;

pub(crate) fn hello(user: Option<&str>) -> Html<String> {
    let name = escaped(user.unwrap_or("stranger"));
    let who = match user {
        Some(_) => {
            r#"<p><a href="/account">Your account</a></p>
        <form method="post" action="/logout"><button>Sign out</button></form>"#
        }
        None => r#"<p><a href="/login">Sign in</a></p>"#,
    };
    page(&format!(
        r#"<h1>Hello, {name}</h1>
        {who}
        <p><a href="/booking/table">Book a table</a> <a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Start again</button></form>"#
    ))
}

pub(crate) fn login(problem: &str, user: &str) -> Html<String> {
    let user = escaped(user);
    page(&format!(
        r#"<h1>Sign in</h1>
        <p>{problem} The password is “sesame”.</p>
        <form method="post" action="/login">
        <p><label>Name <input name="user" value="{user}" required maxlength="100"></label></p>
        <p><label>Password <input name="password" type="password" required></label></p>
        <button>Sign in</button>
        </form>{HOME}"#
    ))
}

pub(crate) fn account(user: &str) -> Html<String> {
    let user = escaped(user);
    page(&format!(
        r#"<h1>Your account</h1>
        <p>You are {user}. Only you see this.</p>{HOME}"#
    ))
}

pub(crate) fn table(table: &Table) -> Html<String> {
    let Table { day, seats } = table;
    let day = escaped(day);
    page(&format!(
        r#"<h1>1. Your table</h1>
        <form method="post" action="/booking/table">
        <p><label>Day <input name="day" type="date" value="{day}" required></label></p>
        <p><label>Seats <input name="seats" type="number" min="1" max="12" value="{seats}" required></label></p>
        <button>Next</button>
        </form>{HOME}"#
    ))
}

pub(crate) fn guest(guest: &Guest) -> Html<String> {
    let (name, wishes) = (escaped(&guest.name), escaped(&guest.wishes));
    page(&format!(
        r#"<h1>2. You</h1>
        <form method="post" action="/booking/guest">
        <p><label>Name <input name="name" value="{name}" required></label></p>
        <p><label>Wishes <input name="wishes" value="{wishes}"></label></p>
        <a href="/booking/table">Back</a> <button>Next</button>
        </form>{HOME}"#
    ))
}

pub(crate) fn confirmation(table: &Table, guest: &Guest) -> Html<String> {
    let booking = booking(table, guest);
    page(&format!(
        r#"<h1>3. Is this right?</h1>
        <p>{booking}</p>
        <form method="post" action="/booking/confirmation">
        <a href="/booking/guest">Back</a> <button>Book it</button>
        </form>{HOME}"#
    ))
}

pub(crate) fn booked(table: &Table, guest: &Guest) -> Html<String> {
    let booking = booking(table, guest);
    page(&format!("<h1>Booked</h1><p>{booking}</p>{HOME}"))
}

fn booking(table: &Table, guest: &Guest) -> String {
    let (day, seats) = (escaped(&table.day), table.seats);
    let (name, wishes) = (escaped(&guest.name), escaped(&guest.wishes));
    format!("A table for {seats} on {day}, for {name}. {wishes}")
}

fn page(body: &str) -> Html<String> {
    Html(format!("{HEAD}{body}"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
