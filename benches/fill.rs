//! Fills a store with keys for `benches/compare`: `fill STORE COUNT ROLE SPACE` makes COUNT keys, each with the role in the space, and
//! prints their texts, one a line. The store must have the role and the space.
//!
//! For `benches/million`: `fill URL COUNT` makes an empty store one of so many keys, with spaces, groups and three bindings for each (`bulk.rs`), and
//! prints the text of one that may do everything, and of a thousand of them.

mod bulk;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use claviger::clock::{Clock, SystemClock};
use claviger::config::StoreUrl;
use claviger::model::{BindingId, Cause, KeyDigest, KeyId, Mutation, NewKey, PlainKey, RoleId, SpaceId, Strategy};
use claviger::store;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [url, count] => return in_bulk(url, count, bulk::Way::Rows).await,
        [url, count, how] if how == "--by-rules" => return in_bulk(url, count, bulk::Way::Rules).await,
        _ => {}
    }
    let [path, count, role, space] = arguments.as_slice() else {
        anyhow::bail!("usage: fill STORE COUNT ROLE SPACE, or fill URL COUNT [--by-rules]");
    };
    let (role, space): (RoleId, SpaceId) = (role.parse()?, space.parse()?);
    let clock = Arc::new(SystemClock::start());
    let store = store::open(&StoreUrl::Sqlite(PathBuf::from(path)), Strategy::Combined, clock.clone()).await?;
    let mut out = std::io::stdout().lock();
    for number in 0..count.parse::<u32>().context("COUNT must be a number")? {
        let made_at = u64::try_from(clock.now().wall.as_millisecond())?;
        let (id, binding) = (KeyId::new(made_at, random()?), BindingId::new(made_at, random()?));
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let text = PlainKey::generate(id, &secret);
        let key = NewKey {
            id,
            name: format!("fill-{number}").parse()?,
            description: String::new(),
            groups: Vec::new(),
            expires_at: None,
            digest: KeyDigest::of(&text),
            bindings: vec![(binding, role.clone(), space.clone())],
        };
        store.apply(Mutation::CreateKey(key), &Cause::SYSTEM, None).await?;
        writeln!(out, "{}", text.reveal())?;
    }
    Ok(())
}

/// How many texts are printed.
const TOLD: u64 = 1_000;

async fn in_bulk(url: &str, count: &str, way: bulk::Way) -> anyhow::Result<()> {
    let url = StoreUrl::parse(url).map_err(anyhow::Error::msg)?;
    let count: u64 = count.parse().context("COUNT must be a number")?;
    bulk::fill(&url, count, way, Arc::new(SystemClock::start())).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", bulk::root_text().reveal())?;
    let told = count.min(TOLD);
    for number in 0..told {
        writeln!(out, "{}", bulk::text_of(number * count / told).reveal())?;
    }
    Ok(())
}

fn random() -> anyhow::Result<u128> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}
