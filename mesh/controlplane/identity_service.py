"""Serves plexus.mesh.v1.IdentityService: signs certificates and access tokens."""

from __future__ import annotations

import logging
from typing import Any

from mesh.controlplane.access import peer_workload
from mesh.identity import join
from mesh.identity.authority import Authority, CsrError
from mesh.topology import CONTROL_PLANE, Topology
from plexus.contract import Contract
from plexus.errors import Fault
from plexus.mesh.v1.errors_pb2 import MeshError
from plexus.mesh.v1.identity_service_pb2 import (
    IssueTokenRequest,
    IssueTokenResponse,
    JoinMeshRequest,
    JoinMeshResponse,
    RenewCertificateRequest,
    RenewCertificateResponse,
    Svid,
)
from plexus.mesh.v1.identity_service_pb2_grpc import IdentityServiceServicer

_log = logging.getLogger(__name__)

_HOUR = 3600
_SHORTEST_TOKEN = 60


class IdentityService(IdentityServiceServicer):
    """Signs with *authority* certificates of *lifetime* seconds."""

    def __init__(
        self,
        authority: Authority,
        secret: bytes,
        lifetime: float,
        contract: Contract,
        topology: Topology,
    ) -> None:
        self._authority = authority
        self._secret = secret
        self._lifetime = lifetime
        self._scopes = contract.scopes
        self._topology = topology

    async def JoinMesh(self, request: JoinMeshRequest, context: Any) -> JoinMeshResponse:
        """Sign for the workload that the join token names."""
        del context
        try:
            workload, name = join.verify(self._secret, request.join_token)
        except join.JoinTokenError:
            raise Fault(MeshError, MeshError.MESH_ERROR_JOIN_TOKEN_INVALID) from None
        if workload not in self._topology.workloads - {CONTROL_PLANE}:
            raise Fault(MeshError, MeshError.MESH_ERROR_JOIN_TOKEN_INVALID)
        _log.info("workload_joined", extra={"workload": workload, "process_name": name})
        return JoinMeshResponse(svid=self._sign(request.csr_pem, workload))

    async def RenewCertificate(
        self, request: RenewCertificateRequest, context: Any
    ) -> RenewCertificateResponse:
        """Sign for the workload that the caller's certificate names."""
        workload = peer_workload(context, self._topology.trust_domain)
        return RenewCertificateResponse(svid=self._sign(request.csr_pem, workload))

    async def IssueToken(self, request: IssueTokenRequest, context: Any) -> IssueTokenResponse:
        """Sign an access token."""
        del context
        for scope in request.scopes:
            if scope not in self._scopes:
                raise Fault(MeshError, MeshError.MESH_ERROR_SCOPE_UNKNOWN, scope=scope)
        lifetime = max(request.lifetime_seconds or _HOUR, _SHORTEST_TOKEN)
        token, expires = self._authority.issue_token(
            request.subject, sorted(request.scopes or self._scopes), lifetime
        )
        response = IssueTokenResponse(token=token)
        response.expire_time.FromSeconds(expires)
        return response

    def _sign(self, csr_pem: str, workload: str) -> Svid:
        try:
            return self._authority.sign(csr_pem, workload, self._lifetime)
        except CsrError:
            raise Fault(MeshError, MeshError.MESH_ERROR_CSR_INVALID) from None
