//! The switch that cancels calls from outside.

use tokio::sync::watch;

/// Cancels calls from outside: it is set once, and every clone sees it.
#[derive(Clone, Debug)]
pub struct Cancel(watch::Receiver<bool>, Option<watch::Receiver<bool>>);

impl Cancel {
    /// Creates a switch and the receiver that observes it.
    pub fn pair() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver, None))
    }

    /// Returns a `Cancel` that is set when either of the two is set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0, Some(other.0))
    }

    /// Returns whether it is set.
    pub fn is_set(&self) -> bool {
        *self.0.borrow() || self.1.as_ref().is_some_and(|other| *other.borrow())
    }

    /// Waits until it is set, or forever if nobody can set it any more.
    pub async fn wait(&mut self) {
        async fn set(switch: &mut watch::Receiver<bool>) {
            if switch.wait_for(|set| *set).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
        match &mut self.1 {
            None => set(&mut self.0).await,
            Some(other) => tokio::select! {
                () = set(&mut self.0) => {}
                () = set(other) => {}
            },
        }
    }
}
