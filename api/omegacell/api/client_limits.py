"""What the client asks of quotas and caps."""

from omegacell.api import limit_records as limits
from omegacell.api import wire_limits
from omegacell.api.connection import Connection
from omegacell.api.proto import api_v1_pb2 as pb
from omegacell.core.units import UNLIMITED, Band


class LimitClient(Connection):
    """The calls about quotas of owners and caps of schedulers; the rest is in `client.Client`."""

    def quotas(self, *, owner: str = "", stale: bool = False) -> limits.QuotaList:
        """Return quotas, all of them or those of an owner, with what is used; also what is used without a quota."""
        request = pb.ListQuotasRequest(owner=owner, stale=stale)
        return wire_limits.read_quotas(self._call(self._stub.ListQuotas, request))

    def set_quota(
        self,
        owner: str,
        band: Band,
        *,
        cpu_milli: int | None = None,
        memory_bytes: int | None = None,
        disk_bytes: int | None = None,
    ) -> limits.Quota:
        """Limit what an owner's jobs may ask for in a band, from the next submit on; nothing that runs is stopped.

        Args:
            owner: Whose jobs.
            band: Which of them; the lowest band has no quotas.
            cpu_milli: The limit of CPU; None leaves it as it is, -1 takes it away. So do the others:
            memory_bytes: The limit of memory.
            disk_bytes: The limit of disk.

        Raises:
            UsageError: A name or an amount is none, or it is the lowest band.
        """
        request = pb.SetQuotaRequest(
            owner=owner,
            band=band.value,  # type: ignore[arg-type]  # the wire's enum has the same numbers
            cpu_milli=cpu_milli,
            memory_bytes=memory_bytes,
            disk_bytes=disk_bytes,
        )
        return wire_limits.read_quota(self._call(self._stub.SetQuota, request).quota)

    def remove_quota(self, owner: str, band: Band) -> limits.Quota:
        """Take a quota away."""
        return self.set_quota(owner, band, cpu_milli=UNLIMITED, memory_bytes=UNLIMITED, disk_bytes=UNLIMITED)

    def caps(self, *, stale: bool = False) -> limits.CapList:
        """Return the caps of schedulers with what is held, and what schedulers without a cap hold."""
        return wire_limits.read_caps(self._call(self._stub.ListCaps, pb.ListCapsRequest(stale=stale)))

    def set_caps(
        self,
        scheduler: str,
        *,
        cpu_milli: int | None = None,
        memory_bytes: int | None = None,
        jobs: int | None = None,
    ) -> limits.Cap:
        """Limit what a scheduler's jobs may hold, from the next claim on; nothing that runs is stopped.

        Args:
            scheduler: The name that jobs give; it need not run yet.
            cpu_milli: The limit of CPU; None leaves it as it is, -1 takes it away. So do the others:
            memory_bytes: The limit of memory.
            jobs: The limit of jobs with a placed or running task.

        Raises:
            UsageError: A name or an amount is none.
        """
        request = pb.SetCapsRequest(scheduler=scheduler, cpu_milli=cpu_milli, memory_bytes=memory_bytes, jobs=jobs)
        return wire_limits.read_cap(self._call(self._stub.SetCaps, request).cap)

    def remove_caps(self, scheduler: str) -> limits.Cap:
        """Take a scheduler's cap away."""
        return self.set_caps(scheduler, cpu_milli=UNLIMITED, memory_bytes=UNLIMITED, jobs=UNLIMITED)
