"""The slow twin of the core: what a log does to a cell, in plain objects and loops, readable as a specification.

It is fed what a participant is fed, encoded entries, malformed ones too, and shares nothing with the core but the
vocabulary (commands, enums, constants) and the codec. Everything here is O(cell) and meant to be obviously right;
where the core and its twin differ, one of them is wrong.
"""

from omegacell.core.commands import (
    ActivateRules,
    CloseSession,
    Command,
    Evict,
    ExpireSession,
    ForgetJob,
    Genesis,
    OpenSession,
    Place,
    Reincarnate,
    Renew,
    StopJob,
    SubmitJob,
    Transaction,
    Unplaced,
)
from omegacell.core.drains import SetEligibility
from omegacell.core.errors import MalformedError
from omegacell.core.hold_commands import GrowSystemJob, HoldTasks, ReleaseTasks
from omegacell.core.limit_commands import SetCaps, SetQuota
from omegacell.core.machine_commands import (
    Inventory,
    LoseMachines,
    RegisterMachine,
    Report,
    SetTaints,
    Tick,
)
from omegacell.core.outcomes import Reason, Status
from omegacell.core.spawn_commands import SpawnJob
from omegacell.core.units import OUTCOMES_KEPT, RULES
from omegacell.core.updates import FinishUpdate, RevertUpdate, StopTasks
from omegacell.store.codec import decode_entry
from tests.support.oracle_claims import count_scheduling, judge_scheduling
from tests.support.oracle_format import is_well_formed
from tests.support.oracle_holds import judge_holds
from tests.support.oracle_jobs import judge_forget, judge_grow, judge_stop, judge_submit
from tests.support.oracle_limits import judge_set_caps, judge_set_quota, note_use
from tests.support.oracle_machines import (
    drop_contact,
    judge_eligibility,
    judge_inventory,
    judge_loss,
    judge_register,
    judge_report,
    judge_taints,
    judge_tick,
)
from tests.support.oracle_preemption import keep_promises
from tests.support.oracle_state import Author, Session, State, Verdict
from tests.support.oracle_templates import judge_spawn
from tests.support.oracle_updates import judge_finish, judge_revert, judge_stop_tasks


class Oracle:
    """A cell that is told everything and looks nothing up in columns."""

    def __init__(self) -> None:
        self.state = State()

    def apply(self, entry: bytes) -> list[Verdict]:
        """Fold an entry; one that cannot be decoded counts as one revision and does nothing else."""
        try:
            transactions = decode_entry(entry)
        except MalformedError:
            return [self.apply_malformed()]
        return [self.apply_transaction(each) for each in transactions]

    def apply_malformed(self) -> Verdict:
        """Count a revision for bytes that mean nothing."""
        self.state.revision += 1
        return Verdict(self.state.revision, Status.MALFORMED)

    def apply_transaction(self, transaction: Transaction) -> Verdict:
        """Judge one transaction; every one takes a revision, whatever becomes of it."""
        state = self.state
        if not is_well_formed(transaction):
            return self.apply_malformed()
        state.revision += 1
        if isinstance(transaction.commands[0], Genesis):
            return self._begin(transaction, transaction.commands[0])
        if state.genesis is None:
            return self._refuse(Reason.NO_GENESIS)
        commands = transaction.commands
        opening = commands[0] if isinstance(commands[0], OpenSession) else None
        early = self._judge_session(transaction, opening)
        if early is not None:
            return early
        verdict = self._judge(transaction, commands[1:] if opening else commands)
        if verdict.status != Status.REFUSED:
            keep_promises(state, transaction)
        note_use(state)
        session = state.sessions.get(transaction.session)
        if session is not None:
            session.last_seq = transaction.seq
            session.deadline = state.elapsed + state.genesis.session_ttl_us
            session.verdicts[transaction.seq] = verdict
            session.verdicts.pop(transaction.seq - OUTCOMES_KEPT, None)
        return verdict

    def _refuse(self, reason: Reason, *, is_conflict: bool = False) -> Verdict:
        return Verdict(self.state.revision, Status.REFUSED, reason, is_conflict=is_conflict)

    def _grant(self) -> Verdict:
        return Verdict(self.state.revision, Status.COMMITTED, granted=1)

    def _begin(self, transaction: Transaction, genesis: Genesis) -> Verdict:
        """Begin a cell; its session is not remembered."""
        if self.state.genesis is not None:
            return self._refuse(Reason.NO_GENESIS)
        if transaction.seen >= self.state.revision:
            return self._refuse(Reason.SEEN_AHEAD)
        self.state.genesis = genesis
        self.state.rules = genesis.rules
        self.state.incarnation = genesis.incarnation
        return self._grant()

    def _judge_session(self, transaction: Transaction, opening: OpenSession | None) -> Verdict | None:
        """Judge a transaction's place in its session; None when it is the next one. What is refused leaves no trace."""
        state = self.state
        session = state.sessions.get(transaction.session)
        if session is None:
            if opening is None or transaction.seq != 1:
                return self._refuse(Reason.SESSION_UNKNOWN)
            state.sessions[transaction.session] = Session(opening.author, opening.role, opening.scheduler)
            state.authors.setdefault(opening.author, Author())
            return None
        if transaction.seq <= session.last_seq:
            return Verdict(state.revision, Status.DUPLICATE)
        if transaction.seq > session.last_seq + 1 or opening is not None:
            return self._refuse(Reason.SESSION_GAP)
        return None

    def _judge(self, transaction: Transaction, commands: tuple[Command, ...]) -> Verdict:
        """Judge a transaction whose session is in order."""
        state = self.state
        scheduling = tuple(each for each in commands if isinstance(each, Place | Evict | Unplaced))
        author = state.authors[state.sessions[transaction.session].author]
        if transaction.seen >= state.revision:
            verdict = self._refuse(Reason.SEEN_AHEAD)
        elif scheduling and state.elapsed < author.suspended_until:
            verdict = self._refuse(Reason.SUSPENDED)
        elif scheduling:
            verdict = judge_scheduling(state, transaction, scheduling)
        else:
            verdict = self._judge_command(transaction, commands[0]) if commands else self._grant()
        if scheduling:
            count_scheduling(state, transaction, scheduling, verdict)
        return verdict

    def _judge_command(  # noqa: PLR0911, PLR0912 -- one case each
        self, transaction: Transaction, command: Command
    ) -> Verdict:
        """Judge the one command of a transaction that schedules nothing."""
        state = self.state
        match command:
            case Renew():
                return self._grant()
            case Reincarnate():
                return self._reincarnate(transaction.session, command)
            case ActivateRules():
                return self._activate(command)
            case CloseSession():
                return self._end_session(transaction.session)
            case ExpireSession():
                session = state.sessions.get(command.session)
                if session is None or state.elapsed < session.deadline:
                    return self._refuse(Reason.NOT_DUE)
                return self._end_session(command.session)
            case SubmitJob():
                return judge_submit(state, transaction, command)
            case StopJob():
                return judge_stop(state, transaction, command)
            case ReleaseTasks() | HoldTasks():
                return judge_holds(state, transaction, command)
            case SpawnJob():
                return judge_spawn(state, transaction, command)
            case GrowSystemJob():
                return judge_grow(state, transaction, command)
            case StopTasks():
                return judge_stop_tasks(state, transaction, command)
            case RevertUpdate():
                return judge_revert(state, transaction, command)
            case FinishUpdate():
                return judge_finish(state, transaction, command)
            case ForgetJob():
                return judge_forget(state, transaction, command)
            case SetQuota():
                return judge_set_quota(state, command)
            case SetCaps():
                return judge_set_caps(state, command)
            case RegisterMachine():
                return judge_register(state, transaction, command)
            case Inventory():
                return judge_inventory(state, transaction, command)
            case LoseMachines():
                return judge_loss(state, transaction, command)
            case SetTaints():
                return judge_taints(state, command)
            case SetEligibility():
                return judge_eligibility(state, command)
            case Report():
                return judge_report(state, transaction, command)
            case Tick():
                return judge_tick(state, transaction, command)
            case Genesis() | OpenSession() | Place() | Evict() | Unplaced():
                raise AssertionError(f"{command} does not stand here in a well-formed transaction")

    def _reincarnate(self, own: int, command: Reincarnate) -> Verdict:
        state = self.state
        state.incarnation = command.incarnation
        state.sessions = {own: state.sessions[own]}
        for machine in state.machines:
            machine.contact = 0
        return self._grant()

    def _activate(self, command: ActivateRules) -> Verdict:
        if not self.state.rules < command.rules <= RULES:
            return self._refuse(Reason.RULES_UNKNOWN)
        self.state.rules = command.rules
        return self._grant()

    def _end_session(self, session: int) -> Verdict:
        del self.state.sessions[session]
        drop_contact(self.state, session)
        return self._grant()
