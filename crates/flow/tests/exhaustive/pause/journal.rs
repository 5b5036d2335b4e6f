//! The journal of the exhaustive model: its fold, and which record fits it.
//!
//! Positions and epochs are not counted, or there would be no end of states: each orchestrator
//! knows whether somebody wrote since it looked, and whether it still leads. What does not fit the
//! status is refused, as in the product.

/// The rows of the pause, in the table's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Row {
    Hold,
    Fence,
    ProveFence,
    FinalMarker,
    Drain,
    Promote,
    WaitWritable,
    ArmWayBack,
    Point,
    Smoke,
    Release,
}

impl Row {
    pub(crate) const ALL: [Self; 11] = [
        Self::Hold,
        Self::Fence,
        Self::ProveFence,
        Self::FinalMarker,
        Self::Drain,
        Self::Promote,
        Self::WaitWritable,
        Self::ArmWayBack,
        Self::Point,
        Self::Smoke,
        Self::Release,
    ];

    /// The step of the process table that this row stands for.
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Hold => "quiesce.hold_traffic",
            Self::Fence => "quiesce.fence_source",
            Self::ProveFence => "quiesce.prove_fence",
            Self::FinalMarker => "quiesce.final_marker",
            Self::Drain => "quiesce.drain_replica",
            Self::Promote => "cutover.promote_replica",
            Self::WaitWritable => "cutover.wait_writable",
            Self::ArmWayBack => "cutover.arm_way_back",
            Self::Point => "cutover.point_at_target",
            Self::Smoke => "cutover.smoke_target",
            Self::Release => "cutover.release_traffic",
        }
    }

    /// Whether its intent is the point of no return.
    pub(crate) const fn commits(self) -> bool {
        matches!(self, Self::Release)
    }

    /// Whether there is anything to take back.
    pub(crate) const fn is_undone(self) -> bool {
        matches!(self, Self::Hold | Self::Fence | Self::Promote | Self::ArmWayBack | Self::Point)
    }

    fn beside(self, by: isize) -> Option<Self> {
        let at = Self::ALL.iter().position(|row| *row == self)?;
        Self::ALL.get(at.checked_add_signed(by)?).copied()
    }

    /// The row after it.
    pub(crate) fn next(self) -> Option<Self> {
        self.beside(1)
    }

    /// The row before it.
    pub(crate) fn previous(self) -> Option<Self> {
        self.beside(-1)
    }
}

/// Forward or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Course {
    Doing,
    Undoing,
}

/// Whether the point of no return is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Commitment {
    Revocable,
    Committed,
}

/// What a move is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Run {
    Running,
    /// A person is asked; `resume` looks again.
    Stopped,
    Moved,
    Undone,
}

/// How far an attempt has got, by what the journal remembers of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Facts {
    pub(crate) groups_were: Option<()>,
    pub(crate) held: Option<()>,
    /// The writes that the proof of the fence counted.
    pub(crate) fenced: Option<u8>,
    /// The marker's position.
    pub(crate) marked: Option<u8>,
    pub(crate) proven: Option<()>,
    pub(crate) promotion_ordered: Option<()>,
}

/// The journal's fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Journal {
    pub(crate) attempt: u8,
    pub(crate) row: Row,
    pub(crate) course: Course,
    pub(crate) commitment: Commitment,
    pub(crate) run: Run,
    pub(crate) facts: Facts,
}

/// A record, as far as it changes the fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Record {
    /// The row is done, or undone; the next one is entered.
    Completed,
    /// The proof of an earlier row does not hold any more.
    BackTo(Row),
    RememberedGroups,
    Fenced(u8),
    Marked(u8),
    Proven,
    Intended(super::world::Order),
    /// A person, or the pause budget.
    Abort,
    Stopped,
    Resume,
    /// Another attempt.
    Started,
}

impl Journal {
    pub(crate) const fn first() -> Self {
        Self {
            attempt: 1,
            row: Row::Hold,
            course: Course::Doing,
            commitment: Commitment::Revocable,
            run: Run::Running,
            facts: Facts {
                groups_were: None,
                held: None,
                fenced: None,
                marked: None,
                proven: None,
                promotion_ordered: None,
            },
        }
    }

    /// An attempt that was aborted behind its fence.
    pub(crate) const fn undoing_the_fence() -> Self {
        let first = Self::first();
        Self {
            row: Row::Fence,
            course: Course::Undoing,
            facts: Facts { groups_were: Some(()), held: Some(()), ..first.facts },
            ..first
        }
    }

    /// The journal with one more record, or nothing when the record does not fit.
    pub(crate) fn with(mut self, record: Record) -> Option<Self> {
        let running = self.run == Run::Running;
        let revocable = self.commitment == Commitment::Revocable;
        let fits = match record {
            Record::Abort => {
                let open = matches!(self.run, Run::Running | Run::Stopped);
                open && revocable && self.course == Course::Doing
            }
            Record::Resume => self.run == Run::Stopped,
            Record::Started => self.run == Run::Undone,
            Record::Completed
            | Record::BackTo(_)
            | Record::RememberedGroups
            | Record::Fenced(_)
            | Record::Marked(_)
            | Record::Proven
            | Record::Intended(_)
            | Record::Stopped => running,
        };
        if !fits {
            return None;
        }
        self.take(record);
        Some(self)
    }

    fn take(&mut self, record: Record) {
        use super::world::Order;
        match record {
            Record::Completed => self.complete(),
            Record::BackTo(row) => self.row = row,
            Record::RememberedGroups => self.facts.groups_were = Some(()),
            Record::Fenced(counted) => self.facts.fenced = Some(counted),
            Record::Marked(position) => self.facts.marked = Some(position),
            Record::Proven => self.facts.proven = Some(()),
            Record::Intended(order) => {
                match order {
                    Order::Hold { .. } => self.facts.held = Some(()),
                    Order::Promote => self.facts.promotion_ordered = Some(()),
                    Order::Quarantine
                    | Order::EndSessions
                    | Order::WriteMarker
                    | Order::Subscribe
                    | Order::Unsubscribe
                    | Order::Point { .. }
                    | Order::Release { .. }
                    | Order::RestoreGroups => {}
                }
                if self.row.commits() && self.course == Course::Doing {
                    self.commitment = Commitment::Committed;
                }
            }
            Record::Abort => {
                self.course = Course::Undoing;
                self.run = Run::Running;
            }
            Record::Stopped => self.run = Run::Stopped,
            Record::Resume => {
                self.run = Run::Running;
                // Nobody watched meanwhile: before the promotion every proof is made anew.
                if self.facts.promotion_ordered.is_none() {
                    (self.facts.fenced, self.facts.marked, self.facts.proven) = (None, None, None);
                }
            }
            Record::Started => {
                *self = Self { attempt: self.attempt + 1, ..Self::first() };
            }
        }
    }

    fn complete(&mut self) {
        let (next, end) = match self.course {
            Course::Doing => (self.row.next(), Run::Moved),
            Course::Undoing => (self.row.previous(), Run::Undone),
        };
        match next {
            Some(row) => self.row = row,
            None => self.run = end,
        }
    }
}
