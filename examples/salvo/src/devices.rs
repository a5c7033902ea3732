//! "Your sessions": the devices on which a user is signed in, to end one of them, all others, or all.

use cloakroom::{Result, Session, SessionHandle, SessionManager, SignedIn};
use salvo::prelude::*;

use crate::pages;

pub(crate) fn routes() -> Router {
    Router::with_path("devices")
        .get(list)
        .push(Router::with_path("end").post(end_one))
        .push(Router::with_path("end-others").post(end_others))
        .push(Router::with_path("end-all").post(end_all))
}

#[handler]
async fn list(user: SignedIn, session: Session, depot: &mut Depot) -> Result<Text<String>> {
    let own = sessions(depot).recent_sessions_of(user.as_str(), 50).await?;
    Ok(pages::devices(&own.sessions, session.handle().await?))
}

/// A handle is a name, no secret: `end_of` ends only what is this user's.
#[handler]
async fn end_one(
    user: SignedIn,
    session: Session,
    req: &mut Request,
    depot: &mut Depot,
    res: &mut Response,
) -> Result<()> {
    let this = session.handle().await?;
    let handle: Option<SessionHandle> = req.form::<String>("handle").await.and_then(|text| text.parse().ok());
    let ended = match handle {
        Some(handle) => sessions(depot).end_of(user.as_str(), &handle).await?,
        None => false,
    };
    if ended {
        // Who has ended this very session is a stranger now.
        res.render(Redirect::other(if handle == this { "/" } else { "/devices" }));
    } else {
        res.render(StatusError::not_found().brief("You have no such session."));
    }
    Ok(())
}

#[handler]
async fn end_others(user: SignedIn, session: Session, depot: &mut Depot) -> Result<Redirect> {
    sessions(depot).end_all(user.as_str(), session.handle().await?.as_ref()).await?;
    Ok(Redirect::other("/devices"))
}

/// This one too: whoever has lost a device signs in anew.
#[handler]
async fn end_all(user: SignedIn, depot: &mut Depot) -> Result<Redirect> {
    sessions(depot).end_all(user.as_str(), None).await?;
    Ok(Redirect::other("/"))
}

fn sessions(depot: &Depot) -> &SessionManager {
    depot.get_typed().expect("the service injects it")
}
