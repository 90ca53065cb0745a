//! Looks whether something about the installation wants a person: storage, the queue, memory.

use std::time::Duration;

use offtake_model::Result;
use offtake_store::events::Sighting;
use tokio::time::timeout;

use crate::Shared;
use crate::settings::signed;

/// Storage that takes longer to take a few bytes is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// `Err`: what is wrong, in words.
type Verdict = std::result::Result<(), String>;

pub(super) async fn pass(worker: &Shared) -> Result<()> {
    let seen = [("storage", storage(worker).await), ("queue", queue(worker).await?), ("memory", memory(worker).await)];
    let settings = &worker.settings.watch;
    for (code, verdict) in seen {
        let (is_on, message) = match verdict {
            Ok(()) => (false, format!("{code}: nothing is wrong any more")),
            Err(message) => (true, message),
        };
        let sighting = Sighting { code, is_on, message, by: worker.name.clone() };
        for event in worker.store.events.sighted(&sighting, signed(settings.cool_down)).await? {
            tracing::warn!(org_id = %event.org, code, is_on, message = sighting.message, "system alert");
        }
    }
    Ok(())
}

async fn storage(worker: &Shared) -> Verdict {
    let least = worker.settings.watch.least_free;
    let objects = &worker.store.objects;
    match timeout(PATIENCE, objects.ping()).await {
        Err(_late) => return Err("storage does not answer: files can be neither made nor fetched".to_owned()),
        Ok(Err(error)) => {
            tracing::warn!(%error, cause = ?error, "storage does not take writes");
            return Err(format!("storage does not take writes ({})", error.kind().code()));
        }
        Ok(Ok(())) => {}
    }
    match timeout(PATIENCE, objects.free()).await {
        Ok(Ok(Some(free))) if free < least => Err(format!("storage is nearly full: {} MiB are left", free >> 20)),
        _ => Ok(()),
    }
}

async fn queue(worker: &Shared) -> Result<Verdict> {
    let oldest = Duration::try_from_secs_f64(worker.store.jobs.depth().await?.oldest_seconds).unwrap_or_default();
    let is_late = oldest > worker.settings.watch.queue_age;
    Ok(if is_late { Err(format!("the oldest export that is due waits for {} s", oldest.as_secs())) } else { Ok(()) })
}

async fn memory(worker: &Shared) -> Verdict {
    let most = worker.settings.watch.memory_percent;
    // Files of the kernel, which wait for nothing.
    let Some((used, limit)) = control_group() else { return Ok(()) };
    let percent = used.saturating_mul(100) / limit.max(1);
    if percent < most {
        return Ok(());
    }
    Err(format!("worker {} uses {percent} percent of the memory it may use", worker.name.0))
}

/// Bytes in use and allowed, where this process has a limit. What the kernel can take back at once is not in use.
fn control_group() -> Option<(u64, u64)> {
    let read = |name: &str| std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
    let limit = read("memory.max")?.trim().parse().ok()?;
    let current: u64 = read("memory.current")?.trim().parse().ok()?;
    let stat = read("memory.stat")?;
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok()).unwrap_or(0);
    Some((current.saturating_sub(cache), limit))
}
