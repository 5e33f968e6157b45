//! The memory of the host that all running builds of a process hold together, and the account of
//! each build.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use jobcontrol_core::limits::MIB;
use jobcontrol_core::limits::show_bytes;
use tokio::sync::Notify;

/// The charge for each build at its start: its stack, its instance, and everything after that as
/// long as it is small. A small build therefore changes the count that all threads share only
/// twice.
const FIRST: u64 = MIB;

/// The least that an account takes when it needs more, for the same reason.
const STEP: u64 = MIB;

/// A build starts only while less than this fraction of the memory is in use. Running builds need
/// room to grow.
const START_BELOW: (u64, u64) = (4, 5);

/// One running build in the combined count. The low bits hold bytes, so both change at once.
const BUILD: u64 = 1 << 48;

/// The memory that all running builds hold together.
#[derive(Debug)]
pub struct Ledger {
    most: u64,
    /// Bytes in the low 48 bits, running builds above.
    state: AtomicU64,
    /// The number of builds that wait for memory.
    waiting: AtomicUsize,
    freed: Notify,
}

/// The error for growth that would bring all builds together above their limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "all running builds together may hold {}: {} used, and this build needs {} more; \
     raise it with `memory: ..` in jobcontrol.yaml",
    show_bytes(*most), used_of(*used, *most), rounded(*more)
)]
pub struct Full {
    most: u64,
    used: u64,
    more: u64,
}

impl Ledger {
    /// Creates a ledger for builds that may hold `most` bytes together, at most 2^47.
    pub fn new(most: u64) -> Arc<Self> {
        let most = most.min(BUILD / 2);
        Arc::new(Self { most, state: AtomicU64::new(0), waiting: AtomicUsize::new(0), freed: Notify::new() })
    }

    /// Creates a ledger for builds without a bound.
    pub fn unbounded() -> Arc<Self> {
        Self::new(u64::MAX)
    }

    /// Opens the account of a build, however much the others hold.
    pub fn enter(self: &Arc<Self>) -> Arc<Account> {
        self.state.fetch_add(BUILD + FIRST, Ordering::SeqCst);
        self.account(FIRST)
    }

    /// Opens the account of a build with room for `need` bytes if there is enough memory. While no
    /// build runs, one build may always start; it then has room for what a small build needs.
    pub fn try_enter(self: &Arc<Self>, need: u64) -> Option<Arc<Account>> {
        let mut took = 0;
        let enter = |state: u64| {
            took = self.first(state, need)?;
            state.checked_add(BUILD + took)
        };
        self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).ok()?;
        Some(self.account(took))
    }

    /// Returns the bytes that a build with this need takes at its start, or `None` if it has to
    /// wait.
    fn first(&self, state: u64, need: u64) -> Option<u64> {
        let (used, first) = (state % BUILD, FIRST.saturating_add(need));
        let may_start = used < self.most / START_BELOW.1 * START_BELOW.0;
        match used.checked_add(first) {
            Some(sum) if may_start && sum <= self.most => Some(first),
            _ => (state < BUILD).then_some(FIRST),
        }
    }

    /// Opens an account like [`Ledger::try_enter`], and waits until there is enough memory. If it
    /// has to wait, it calls `tell` once with the reason.
    pub async fn wait_to_enter(self: &Arc<Self>, need: u64, tell: impl FnOnce(String)) -> Arc<Account> {
        if let Some(account) = self.try_enter(need) {
            return account;
        }
        let _waiting = Waiting::new(self);
        let mut tell = Some(tell);
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no signal is missed.
            freed.as_mut().enable();
            if let Some(account) = self.try_enter(need) {
                return account;
            }
            if let Some(tell) = tell.take() {
                tell(format!("memory: {} used", used_of(self.used(), self.most)));
            }
            freed.await;
        }
    }

    /// Returns the most bytes that may be charged at once.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Returns the bytes that are charged now.
    pub fn used(&self) -> u64 {
        self.state.load(Ordering::SeqCst) % BUILD
    }

    fn account(self: &Arc<Self>, reserved: u64) -> Arc<Account> {
        Arc::new(Account { ledger: Arc::clone(self), used: AtomicU64::new(0), reserved: AtomicU64::new(reserved) })
    }

    fn take(&self, bytes: u64, more: u64) -> Result<(), Full> {
        let take = |state: u64| {
            let sum = (state % BUILD).checked_add(bytes)?;
            (sum <= self.most).then(|| state + bytes)
        };
        let taken = self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        taken.map(drop).map_err(|state| Full { most: self.most, used: state % BUILD, more })
    }

    /// Ends the account of a build that holds this many bytes, and wakes builds that wait for
    /// memory.
    fn leave(&self, bytes: u64) {
        self.state.fetch_sub(BUILD + bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// Counts a build as waiting for memory until this is dropped.
struct Waiting<'a>(&'a Ledger);

impl<'a> Waiting<'a> {
    fn new(ledger: &'a Ledger) -> Self {
        ledger.waiting.fetch_add(1, Ordering::SeqCst);
        Self(ledger)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one running build holds. Everything is given back when the last owner drops the account.
/// Records that wait for the store outlive their call.
#[derive(Debug)]
pub struct Account {
    ledger: Arc<Ledger>,
    /// The bytes that the build holds.
    used: AtomicU64,
    /// The bytes that the ledger reserves for it. These are at least as many as `used`, except
    /// during a charge.
    reserved: AtomicU64,
}

impl Account {
    /// Charges bytes before they are used.
    ///
    /// # Errors
    ///
    /// Returns an error if all builds together would hold more than they may. Nothing is charged
    /// then.
    pub fn charge(&self, bytes: u64) -> Result<(), Full> {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let missing = used.saturating_sub(self.reserved.load(Ordering::Relaxed));
        if missing == 0 {
            return Ok(());
        }
        let step = missing.max(STEP);
        // Near the limit, the rest is still given out to the byte.
        let taken = self.ledger.take(step, bytes).map(|()| step);
        match taken.or_else(|_| self.ledger.take(missing, bytes).map(|()| missing)) {
            Ok(taken) => {
                // Two charges at once may both take what is missing; the account gives it back with
                // the rest.
                self.reserved.fetch_add(taken, Ordering::Relaxed);
                Ok(())
            }
            Err(full) => {
                self.used.fetch_sub(bytes, Ordering::Relaxed);
                Err(full)
            }
        }
    }

    /// Releases bytes that were charged, for later charges of the same build.
    pub fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.ledger.leave(*self.reserved.get_mut());
    }
}

/// Formats how much is used of how much: `3.1 of 4 GiB`.
fn used_of(used: u64, most: u64) -> String {
    let (unit, name) = unit_of(most);
    format!("{} of {} {name}", tenths(used, unit), tenths(most, unit))
}

fn rounded(bytes: u64) -> String {
    let (unit, name) = unit_of(bytes);
    format!("{} {name}", tenths(bytes, unit))
}

fn unit_of(bytes: u64) -> (u64, &'static str) {
    match bytes {
        b if b >= 1024 * MIB => (1024 * MIB, "GiB"),
        b if b >= MIB => (MIB, "MiB"),
        _ => (1 << 10, "KiB"),
    }
}

/// Formats bytes in a unit with one decimal, which is left out if it is zero.
fn tenths(bytes: u64, unit: u64) -> String {
    let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn an_account_gives_back_all_that_it_took() {
        let ledger = Ledger::new(100 * MIB);
        let account = ledger.enter();
        assert_eq!(ledger.used(), FIRST);
        account.charge(FIRST).unwrap();
        assert_eq!(ledger.used(), FIRST, "a small build is charged once");
        account.charge(1).unwrap();
        assert_eq!(ledger.used(), FIRST + STEP);
        account.charge(50 * MIB).unwrap();
        account.give_back(50 * MIB);
        account.charge(50 * MIB).unwrap();
        assert!(ledger.used() < 53 * MIB);
        let other = Arc::clone(&account);
        drop(account);
        assert!(ledger.used() > 0, "somebody holds it still");
        drop(other);
        assert_eq!(ledger.used(), 0);
    }

    #[test]
    fn growth_above_the_whole_is_refused_with_the_numbers() {
        let ledger = Ledger::new(4096 * MIB);
        let account = ledger.enter();
        account.charge(3000 * MIB).unwrap();
        let full = account.charge(1200 * MIB).unwrap_err();
        assert_eq!(
            full.to_string(),
            "all running builds together may hold 4 GiB: 2.9 of 4 GiB used, and this build needs 1.2 GiB more; \
             raise it with `memory: ..` in jobcontrol.yaml"
        );
        account.charge(1096 * MIB).unwrap();
        assert_eq!(ledger.used(), 4096 * MIB, "nothing was charged for what was refused");
        assert!(account.charge(u64::MAX / 2).is_err());
    }

    #[test]
    fn a_build_starts_only_while_there_is_room_to_grow_and_one_always_may() {
        let ledger = Ledger::new(100 * MIB);
        let one = ledger.try_enter(0).unwrap();
        one.charge(78 * MIB).unwrap();
        assert!(ledger.try_enter(22 * MIB).is_none(), "more than is left");
        let two = ledger.try_enter(0).unwrap();
        two.charge(2 * MIB).unwrap();
        assert!(ledger.try_enter(0).is_none(), "80 of 100 are used");
        drop((one, two));
        let large = ledger.try_enter(200 * MIB).unwrap();
        assert_eq!(ledger.used(), FIRST, "it starts, and hears of it when it takes what there is not");
        assert!(large.charge(200 * MIB).is_err());
    }

    #[test]
    fn who_waits_is_woken_when_memory_is_freed() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ledger = Ledger::new(10 * MIB);
        let one = ledger.enter();
        one.charge(9 * MIB).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let waits = {
            let (ledger, told) = (Arc::clone(&ledger), Arc::clone(&told));
            async move { ledger.wait_to_enter(0, |text| told.lock().unwrap().push(text)).await }
        };
        runtime.block_on(async {
            let waiting = tokio::spawn(waits);
            while ledger.waiting.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            drop(one);
            waiting.await.unwrap();
        });
        assert_eq!(*told.lock().unwrap(), ["memory: 9 of 10 MiB used"]);
        assert_eq!((ledger.used(), ledger.waiting.load(Ordering::SeqCst)), (0, 0));
    }

    #[test]
    fn many_threads_leave_nothing_behind() {
        let ledger = Ledger::new(1000 * MIB);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..1_000_u64 {
                        let account = ledger.enter();
                        std::thread::scope(|inner| {
                            if n % 100 == 0 {
                                inner.spawn(|| account.charge(3 * MIB).unwrap());
                            }
                            account.charge(n * 1_000).unwrap();
                        });
                    }
                });
            }
        });
        assert_eq!(ledger.state.load(Ordering::SeqCst), 0);
    }
}
