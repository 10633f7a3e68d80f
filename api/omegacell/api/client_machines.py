"""What the client asks of machines, and what it makes of them."""

from collections.abc import Sequence
from typing import cast

from omegacell.api import records, records_machines, wire
from omegacell.api.connection import Connection
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.core.drains import Eligibility


class MachineClient(Connection):
    """The calls about machines; the rest is in `client.Client`."""

    def machines(self, names: Sequence[str] = (), *, stale: bool = False) -> records_machines.MachineList:
        """Return the cell's machines, or those of some names, all as of one revision, by row.

        Raises:
            NotFoundError: There is no machine of one of the names.
        """
        request = pb.ListMachinesRequest(stale=stale, names=names)
        parts = list(self._stream(self._stub.ListMachines, request, timeout_s=self._timeout_s))
        machines = tuple(wire.read_machine(machine) for part in parts for machine in part.machines)
        return records_machines.MachineList(at=wire.read_at(parts[-1].at), machines=machines)

    def machine(self, name: str, *, stale: bool = False) -> records_machines.MachineDetail:
        """Return a machine with what it runs.

        Raises:
            NotFoundError: There is no such machine.
        """
        answer = self._call(self._stub.GetMachine, pb.GetMachineRequest(name=name, stale=stale))
        return wire.read_machine_detail(answer)

    def lose_machine(self, name: str) -> records.At:
        """Declare a machine lost, as an operator: its tasks are placed elsewhere."""
        return wire.read_at(self._call(self._stub.LoseMachine, pb.LoseMachineRequest(name=name)).at)

    def taint_machines(self, names: Sequence[str], *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> int:
        """Put taints (``"dedicated=gpu:no_place"``) on machines and take others (``"dedicated"``) off.

        Returns how many machines changed.

        Raises:
            NotFoundError: There is no such machine; none of them changed.
            UsageError: A text is no taint.
        """
        request = pb.TaintMachinesRequest(names=names, add=add, remove=remove)
        return int(self._call(self._stub.TaintMachines, request).changed_count)

    def set_eligibility(
        self, names: Sequence[str], eligibility: Eligibility, *, deadline_us: int | None = None
    ) -> records_machines.MachineList:
        """Cordon, drain or open machines, all of them or none; return them, by row. A drain goes on by itself.

        Args:
            names: Which machines.
            eligibility: What they shall be.
            deadline_us: For a drain: the cell's time from now on, after which it keeps to no job's
                ``max_unavailable``; -1 for never. None: what drains already keeps its deadline.

        Raises:
            NotFoundError: There is no machine of one of the names; nothing was changed.
        """
        wanted = cast("pb.Eligibility", int(eligibility))
        request = pb.SetEligibilityRequest(names=names, eligibility=wanted, deadline_us=deadline_us)
        answer = self._call(self._stub.SetEligibility, request)
        machines = tuple(wire.read_machine(machine) for machine in answer.machines)
        return records_machines.MachineList(at=wire.read_at(answer.at), machines=machines)
