//! How it looks.

use actix_web::web::Html;

use crate::cart::{AT_MOST, Article, Cart, Shopping};

pub(crate) fn front(user: Option<&str>) -> Html {
    let name = escape(user.unwrap_or("stranger"));
    let links = match user {
        Some(_) => {
            r#"<a href="/account">Your account</a> <form method="post" action="/logout"><button>Log out</button></form>"#
        }
        None => r#"<a href="/login">Log in</a>"#,
    };
    page(&format!(
        r#"<h1>Hello, {name}</h1><p>{links}</p><p><a href="/cart">Shop</a> <a href="/count">Count</a>
        <form method="post" action="/reset"><button>Start again</button></form></p>"#
    ))
}

pub(crate) fn login(problem: &str) -> Html {
    page(&format!(
        r#"<h1>Log in</h1><p>{problem}</p><form method="post" action="/login">
        <label>Name <input name="user" required maxlength="100"></label>
        <label>Password <input name="password" type="password"></label> (it is “sesame”)
        <button>Log in</button></form>"#
    ))
}

pub(crate) fn account(user: &str) -> Html {
    page(&format!("<h1>{}’s account</h1><p>Only you see this.</p>", escape(user)))
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
        r#"<h1>Shop</h1>{}<h2>Your cart</h2><p>{}</p>{}{}<h2>Your orders</h2><ol>{}</ol><a href="/">Back</a>"#,
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
    Html::new(format!("<!doctype html><meta charset=\"utf-8\"><title>Cloakroom on actix-web</title>{body}"))
}

/// What a user typed must not become part of the page's markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
