"""Who may do what where: a declarative policy, asked as `authorize(actor, action, project)`.

The policy is a TOML file: actor → role → projects (`"*"` is all of them).

    [actors.alice]
    reviewer = ["support"]
    exporter = ["support"]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sealbook.errors import Misconfigured, Refused

ALL_PROJECTS = "*"

_READ = frozenset({"interaction.list", "rollup.query", "keys.public"})
_EXPORT = frozenset({"export.request", "export.list", "export.cancel", "export.download"})
ACTIONS: dict[str, frozenset[str]] = {
    "reader": _READ,
    "reviewer": _READ | {"review", "interaction.open"},
    "exporter": _READ | _EXPORT | {"export.payloads"},
    "administrator": _READ
    | _EXPORT
    | {
        "review",
        "interaction.open",
        "export.payloads",
        "audit.list",
        "projection.rebuild",
        "quarantine.list",
        "quarantine.retry",
        "keys.list",
        "keys.rotate",
        "policy.list",
        "policy.put",
        "status",
    },
}


@dataclass(frozen=True, slots=True)
class Policy:
    """The roles of every actor. An actor that is not named may do nothing."""

    roles: Mapping[str, Mapping[str, frozenset[str]]]

    def authorize(
        self, actor: str, action: str, project: str | None, *, resource: str | None = None
    ) -> None:
        """Return when `actor` may do `action` in `project`; None stands for every project.

        Raises:
            Refused: no role of the actor allows it there.
        """
        if not self.allows(actor, action, project):
            where = "every project" if project is None else f"project {project!r}"
            raise Refused(
                f"{actor!r} may not do {action!r} in {where}.",
                remedy="Ask an administrator for a role that allows it (see the policy file).",
                project=project,
                resource=resource,
            )

    def authorized_projects(
        self, actor: str, action: str, project: str | None
    ) -> frozenset[str] | None:
        """Where a question of `actor` may look (None: everywhere): in the project it names, else in
        all where it may do `action`.

        Raises:
            Refused: not in that project, or nowhere.
        """
        projects = self.projects(actor, action)
        if project is not None or projects == frozenset():
            self.authorize(actor, action, project)
        return projects

    def allows(self, actor: str, action: str, project: str | None) -> bool:
        """`authorize` as a yes or no."""
        return any(
            action in ACTIONS[role] and (ALL_PROJECTS in projects or project in projects)
            for role, projects in self.roles.get(actor, {}).items()
        )

    def projects(self, actor: str, action: str) -> frozenset[str] | None:
        """Where the actor may do it; None means everywhere."""
        allowed: frozenset[str] = frozenset()
        for role, projects in self.roles.get(actor, {}).items():
            if action in ACTIONS[role]:
                allowed |= projects
        return None if ALL_PROJECTS in allowed else allowed


def read_policy(path: Path | None) -> Policy:
    """The policy in a file.

    Raises:
        Misconfigured: no file, or not a policy. A service without a policy does not start.
    """
    if path is None:
        raise Misconfigured(
            "No authorization policy is configured.",
            remedy="Set SEALBOOK_POLICY_FILE to a policy file; docs/authorization.md shows one.",
        )
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"The policy file {path} cannot be read: {error}.",
            remedy="Correct the file, or set SEALBOOK_POLICY_FILE.",
        ) from None
    return parse_policy(document)


def parse_policy(document: dict[str, object]) -> Policy:
    """The policy in a parsed document. Raises Misconfigured naming what does not fit."""
    actors = document.get("actors")
    if not isinstance(actors, dict) or set(document) != {"actors"}:
        raise Misconfigured(
            "A policy has one table, `actors`.", remedy="See docs/authorization.md."
        )
    return Policy({actor: _roles(actor, roles) for actor, roles in actors.items()})


def _roles(actor: str, roles: object) -> dict[str, frozenset[str]]:
    if not isinstance(roles, dict):
        raise Misconfigured(f"The policy of actor {actor!r} is not a table of roles.")
    for role, projects in roles.items():
        if role not in ACTIONS:
            raise Misconfigured(
                f"The policy gives actor {actor!r} the unknown role {role!r}.",
                remedy=f"Roles are: {', '.join(ACTIONS)}.",
            )
        if not isinstance(projects, list) or not all(isinstance(p, str) for p in projects):
            raise Misconfigured(
                f"The policy of actor {actor!r} does not list projects for {role!r}.",
                remedy='Write a list of project names, or ["*"].',
            )
    return {role: frozenset(projects) for role, projects in roles.items()}
