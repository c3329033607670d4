"""Facts about the way to the vendor's addresses, as the gateway itself measured it."""

import functools
from typing import Any

from provisioner.audit.facts.context import CannotTell, FactContext, FactOf, known_endpoints, listed, over_endpoints
from provisioner.audit.facts.firewall import filters_outbound

# What stands in the names of authorities whose certificates are made on the way: of filters, of antivirus products, and
# of a house's own [docs/windows.md, "endpoints"]. No public authority is called so.
_OPENERS = (
    *("zscaler", "netskope", "fortinet", "fortigate", "securityappliance_ssl_ca", "sophos"),
    *("web/mail shield", "avast", "eset ssl filter", "kaspersky"),
    *("inspect", "intercept", "decrypt", "ssl/tls scanning"),
)


def _results(reading: FactContext) -> list[Any]:
    wanted = known_endpoints(reading)
    results = {result["address"]: result for result in reading.section("endpoints")["results"]}
    unmeasured = [address for address in wanted if address not in results]
    if unmeasured:
        raise CannotTell(f"the way to {listed(unmeasured)} was not measured")
    return [results[address] for address in wanted]


def _reachable(reading: FactContext) -> str | list[str]:
    results = _results(reading)
    silent = [result["address"] for result in results if not result["tcp"]]
    if not silent:
        return over_endpoints(reading, [])
    if filters_outbound(reading):
        if _connector_connects(reading):
            return over_endpoints(reading, [])
        raise CannotTell(
            "this PC's firewall blocks what no rule allows, and our test is not the Connector's program: it shows once "
            "the Connector runs"
        )
    if len(silent) == len(results):
        return ["none of the endpoints can be reached"]
    return [f"no answer from {listed(silent)}"]


def _connector_connects(reading: FactContext) -> bool:
    connector = reading.evidence.sections.get("connector", {"processes": ()})
    return any(process["endpoint_connections"] for process in connector["processes"])


def _tls(reading: FactContext) -> str | list[str]:
    """Whether TLS comes to an end that Windows trusts, at each endpoint that answers at all."""
    answering = [result for result in _results(reading) if result["tcp"]]
    if not answering:
        if filters_outbound(reading):
            raise CannotTell("this PC's firewall does not let our test through")
        return ["nothing on the internet side answers this PC"]
    without = [result["address"] for result in answering if result["tls"] is False]
    if without:
        return [f"{_which(without, answering)} no TLS: something on the way cuts it"]
    strange = [result for result in answering if result["trusted"] is False]
    if strange:
        issuer = strange[0]["issuer"] or "an unknown issuer"
        addresses = [result["address"] for result in strange]
        return [
            f"{_which(addresses, answering)} a certificate of {issuer}, which this PC does not trust: something on the "
            f"way may open TLS"
        ]
    opened = [result for result in answering if _is_opener(result["issuer"])]
    if opened:
        addresses = [result["address"] for result in opened]
        return [
            f"{_which(addresses, answering)} a certificate of {opened[0]['issuer']}, which opens TLS on the way: "
            f"Windows trusts it here, and the Connector's Java need not"
        ]
    if any(result["tls"] is None or result["trusted"] is None for result in answering):
        raise CannotTell("the gateway does not tell how TLS went")
    return over_endpoints(reading, [])


# Gateways of one estate hear from the same few authorities.
@functools.lru_cache(maxsize=1024)
def _is_opener(issuer: str | None) -> bool:
    words = (issuer or "").lower()
    return any(word in words for word in _OPENERS)


def _which(some: list[str], answering: list[Any]) -> str:
    if len(some) == len(answering):
        return "the endpoints answer with"
    return f"{listed(some)} {'answers' if len(some) == 1 else 'answer'} with"


def _measured_at(reading: FactContext) -> str:
    return str(reading.section("endpoints")["measured_at"])


FACTS: dict[str, FactOf] = {
    "endpoints.reachable": _reachable,
    "endpoints.tls": _tls,
    "endpoints.measured_at": _measured_at,
}
