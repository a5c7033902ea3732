//! A visitor's cart and orders, as the session holds them.

use std::collections::BTreeMap;

use cloakroom::SessionKey;
use serde::{Deserialize, Serialize};

pub(crate) const SHOPPING: SessionKey<Shopping> = SessionKey::new("shopping");
pub(crate) const AT_MOST: u32 = 99;

#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub(crate) enum Article {
    Coat,
    Hat,
    Umbrella,
}

/// How many of each article.
pub(crate) type Cart = BTreeMap<Article, u32>;

#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Shopping {
    pub(crate) cart: Cart,
    /// Yours go to a database.
    pub(crate) orders: Vec<Cart>,
}

impl Shopping {
    pub(crate) fn change(&mut self, article: Article, number: u32) {
        match number.min(AT_MOST) {
            0 => self.cart.remove(&article),
            number => self.cart.insert(article, number),
        };
    }

    pub(crate) fn check_out(&mut self) {
        if !self.cart.is_empty() {
            self.orders.push(std::mem::take(&mut self.cart));
        }
    }
}
