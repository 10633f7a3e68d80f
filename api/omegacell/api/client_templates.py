"""What the client asks of templates: to run now."""

from collections.abc import Mapping

from omegacell.api import records_templates as records
from omegacell.api import wire_templates
from omegacell.api.connection import Connection
from omegacell.api.proto import api_v1_pb2 as pb


class TemplateClient(Connection):
    """The calls about templates; the rest is in `client.Client`."""

    def dispatch(
        self,
        job: str,
        parameters: Mapping[str, str] | None = None,
        *,
        payload: bytes | None = None,
        name: str = "",
        token: str = "",
    ) -> records.Dispatched:
        """Run a job that takes parameters, once, and return the child that was made for it.

        Args:
            job: The template, by name or id.
            parameters: Names to values; those that are required must be there.
            payload: What the child finds in a file besides.
            name: The child's name; by default the template's with the time.
            token: Whoever dispatches again with the same token gets the same child, for as long as the cell knows it.

        Raises:
            NotFoundError: There is no such job.
            UsageError: It takes no parameters, or others.
            RefusedError: The cell does not take it: a quota, or a name that another job has.
        """
        request = pb.DispatchJobRequest(job=job, parameters=parameters or {}, name=name, token=token)
        if payload is not None:
            request.payload = payload
        return wire_templates.read_dispatched(self._call(self._stub.DispatchJob, request))

    def trigger(self, job: str, *, name: str = "", token: str = "") -> records.Dispatched:
        """Run a job on a schedule now, whatever its schedule says, and return the child.

        Raises:
            NotFoundError: There is no such job.
            UsageError: It has no schedule.
            RefusedError: The cell does not take it.
        """
        request = pb.DispatchJobRequest(job=job, name=name, token=token, is_trigger=True)
        return wire_templates.read_dispatched(self._call(self._stub.DispatchJob, request))
