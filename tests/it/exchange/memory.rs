//! What a cached key takes.

use claviger::model::KeyDigest;

use super::world::World;

const KEYS: usize = 4_000;

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Prints it. The tests' allocator is not the program's, and what it keeps for itself is counted, so this is more than a server takes.
#[tokio::test]
#[ignore = "makes thousands of keys; run it by its name, alone, with --nocapture"]
#[expect(clippy::print_stdout, reason = "it measures, and tells it")]
async fn bytes_per_cached_key() {
    let world = World::new().await;
    let mut keys: Vec<KeyDigest> = Vec::with_capacity(KEYS + 200);
    for number in 0..KEYS + 200 {
        keys.push(world.key(&format!("key-{number}"), &["deployer@production"], &[]).await.digest);
    }
    let (first, rest) = keys.split_at(200);
    for digest in first {
        world.ask(*digest).await.unwrap();
    }
    let before = resident();
    for digest in rest {
        world.ask(*digest).await.unwrap();
    }
    println!("{} bytes for each of {KEYS} cached keys", (resident() - before) / KEYS);
}
