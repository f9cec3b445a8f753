//! How many changes a second a store makes, by one writer and by four: `cargo run --profile dist --example changes -- URL…`.
//!
//! Each store gets a thousand spaces that are in nobody's way. Stores are measured in turns; compare numbers of one run.

use std::sync::Arc;

use claviger::clock::{Clock as _, SystemClock};
use claviger::config::StoreUrl;
use claviger::model::{Cause, Mutation, Space, SpaceId, Strategy};
use claviger::store;

const TURNS: u64 = 3;
const CHANGES: u64 = 300;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "what was measured is what this is for")]
async fn main() -> anyhow::Result<()> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    let begun = std::process::id();
    for turn in 0..TURNS {
        for url in &urls {
            let parsed = StoreUrl::parse(url).map_err(anyhow::Error::msg)?;
            for writers in [1, 4] {
                let mut stores = Vec::new();
                for _ in 0..writers {
                    stores.push(store::open(&parsed, Strategy::Combined, Arc::new(SystemClock::start())).await?);
                }
                let clock = SystemClock::start();
                let work = stores.iter().cloned().zip(0_u64..).map(|(store, writer)| {
                    tokio::spawn(async move {
                        for number in 0..CHANGES / writers {
                            let id: SpaceId = format!("s-{begun}-{turn}-{writers}-{writer}-{number}").parse()?;
                            let parent = Some(SpaceId::root());
                            let space = Space { name: id.to_string(), id, description: String::new(), parent, labels: Vec::new() };
                            store.apply(Mutation::CreateSpace(space), &Cause::SYSTEM, None).await?;
                        }
                        anyhow::Ok(())
                    })
                });
                for writer in work.collect::<Vec<_>>() {
                    writer.await??;
                }
                let each = clock.monotonic() / u32::try_from(CHANGES)?;
                println!("{parsed}\twriters {writers}\t{each:?} a change");
                for store in stores {
                    store.close().await;
                }
            }
        }
    }
    Ok(())
}
