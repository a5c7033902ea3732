//! How it looks.

use actix_web::web::Html;

use crate::shopping::{AT_MOST, Article, Cart, Shopping};

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sessions in actix-web</title>
<style>body{font:1rem system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}form{margin:.5rem 0}</style>
"#;

const HOME: &str = r#"<p><a href="/">Home</a></p>"#;

pub(crate) fn front(user: Option<&str>) -> Html {
    let name = escape(user.unwrap_or("stranger"));
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
        <p><a href="/cart">Shop</a> <a href="/count">Count</a></p>
        <form method="post" action="/reset"><button>Start again</button></form>"#
    ))
}

pub(crate) fn login(problem: &str, user: &str) -> Html {
    let user = escape(user);
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

pub(crate) fn account(user: &str) -> Html {
    let user = escape(user);
    page(&format!(
        r#"<h1>Your account</h1>
        <p>You are {user}. Only you see this.</p>{HOME}"#
    ))
}

pub(crate) fn not_found() -> Html {
    page(&format!("<h1>There is no such page</h1>{HOME}"))
}

pub(crate) fn shop(shopping: &Shopping) -> Html {
    let articles = [Article::Coat, Article::Hat, Article::Umbrella].map(|article| {
        form(
            "add",
            &format!(r#"{article:?} <input type="hidden" name="article" value="{article:?}">"#),
            "Add",
        )
    });
    let lines = shopping.cart.iter().map(|(article, number)| {
        let name = format!(r#"<input type="hidden" name="article" value="{article:?}">"#);
        let fields = format!(
            r#"{article:?}{name} <input type="number" name="number" min="0" max="{AT_MOST}" value="{number}">"#
        );
        form("change", &fields, "Change") + &form("remove", &name, "Remove")
    });
    let orders = shopping.orders.iter().map(|order| format!("<li>{}</li>", list(order)));
    page(&format!(
        r#"<h1>Shop</h1>{}<h2>Your cart</h2><p>{}</p>{}{}<h2>Your orders</h2><ol>{}</ol>{HOME}"#,
        articles.concat(),
        list(&shopping.cart),
        lines.collect::<String>(),
        form("check-out", "", "Order"),
        orders.collect::<String>(),
    ))
}

/// "2 Coat, 1 Hat"
fn list(cart: &Cart) -> String {
    let lines: Vec<_> = cart.iter().map(|(article, number)| format!("{number} {article:?}")).collect();
    if lines.is_empty() { "nothing".into() } else { lines.join(", ") }
}

fn form(action: &str, fields: &str, button: &str) -> String {
    format!(r#"<form method="post" action="/cart/{action}">{fields}<button>{button}</button></form>"#)
}

fn page(body: &str) -> Html {
    Html::new(format!("{HEAD}{body}"))
}

/// What a user typed must not become part of the page's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
