//! `doctor --aws`: facts about AWS, tried on the account at hand. It changes nothing there.

use crate::arguments::Common;
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

pub(super) async fn aws(common: &Common, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let probed = door.client.probe().await;
    door.close().await;
    let probed = probed?;
    out.data(&probed, |width| show::probes::list(&probed, width));
    Ok(Exit::Done)
}
