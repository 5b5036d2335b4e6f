//! `route`: services behind the gateway.

use jiff::Timestamp;
use landfall_api::core::{Endpoint, ServiceName};
use landfall_api::{AdoptRoute, SpecText};

use super::look;
use crate::arguments::{Common, Route, SpecFile};
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

pub(super) async fn route(common: &Common, route: &Route, out: Out) -> Result<Exit, Stop> {
    match route {
        Route::Status { spec: None } => status(common, out).await,
        Route::Status { spec: Some(spec) } => {
            of_spec(common, &SpecFile { spec: spec.clone() }, out).await
        }
        Route::Certificates => certificates(common, out).await,
        Route::Add { service, endpoint } => {
            let endpoint: Endpoint = endpoint
                .parse()
                .map_err(|why| Stop::mistake(format!("{why}. Write the endpoint as HOST:PORT.")))?;
            let service = ServiceName::new(service.as_str());
            add(common, AdoptRoute { service, endpoint }, out).await
        }
    }
}

async fn status(common: &Common, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let routes = door.client.routes().await;
    let certificates = door.client.certificates().await;
    let own = door.is_own();
    door.close().await;
    let (routes, certificates) = (routes?, certificates?);
    out.data(&routes, |width| {
        let routes = show::routes::list(&routes, Timestamp::now(), width);
        if certificates.is_empty() {
            return routes;
        }
        let certificates = show::certificates::list(&certificates, Timestamp::now(), width);
        format!("{routes}\n\nCertificates\n{certificates}")
    });
    if own && !routes.is_empty() {
        let text = "Proxies are seen by the server they are connected to: ask it with --server.";
        out.say(&show::layout::wrap(text, out.width(), 0));
    }
    Ok(Exit::Done)
}

async fn of_spec(common: &Common, spec: &SpecFile, out: Out) -> Result<Exit, Stop> {
    let spec_toml = look::read(spec)?;
    let door = Door::ask(common).await?;
    let routes = door.client.routes_of(&SpecText { spec_toml }).await;
    door.close().await;
    let routes = routes?;
    out.data(&routes, |width| show::routes::list(&routes, Timestamp::now(), width));
    Ok(Exit::Done)
}

async fn certificates(common: &Common, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let certificates = door.client.certificates().await;
    door.close().await;
    let certificates = certificates?;
    out.data(&certificates, |width| {
        show::certificates::list(&certificates, Timestamp::now(), width)
    });
    Ok(Exit::Done)
}

async fn add(common: &Common, adopt: AdoptRoute, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let route = door.client.adopt(&adopt).await;
    door.close().await;
    let route = route?;
    out.data(&route, |width| show::routes::one(&route, Timestamp::now(), width));
    Ok(Exit::Done)
}
