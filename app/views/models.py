"""The models: what they are, their cards, how good they have been, and whether they are whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from met2net_ops.app import caches, sums_cache
from met2net_ops.app.choices import choose
from met2net_ops.app.data.cards import facts_table, model_codes, models_table, read_card
from met2net_ops.app.data.verified import TRUTH_NAMES, sums_of, verified_models
from met2net_ops.app.figures.scores import explain, lead_figure, shown_as
from met2net_ops.app.show import draw_table, errors_shown, plot
from met2net_ops.app.text import plain, without_folders
from met2net_ops.app.views.score_views import curve_table
from met2net_ops.models.folder import WEIGHTS_FILE, weights_checksum
from met2net_ops.models.registry import list_models
from met2net_ops.products.index import newest_product
from met2net_ops.times import format_time
from met2net_ops.verification.results.conditions import Slice
from met2net_ops.verification.results.scores import score
from met2net_ops.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from met2net_ops.app.context import PageContext
    from met2net_ops.app.data.scored import ScoreCurve
    from met2net_ops.models.folder import ModelFolder

_SKILLS = {"continuous": "skill", "vector": "vector_skill"}
_OVER_PERSISTENCE = "over persistence"


def render(context: PageContext) -> None:
    """Draw the page."""
    models = list_models(context.workspace.paths.models)
    draw_table(models_table(models), key="models")
    if not models:
        st.info("There is no model. `met2net-ops models import` and `met2net-ops train` make one.")
        return
    codes = model_codes(models)
    labels = {code: f"{model.name} ({model.origin})" for code, model in codes.items()}
    usual = context.settings.forecast.model
    listed = codes[choose("Model", labels, key="model", default=usual)]
    if listed.problem:
        st.error(plain(without_folders(listed.problem)))
    folder = listed.folder
    if folder is None:
        return
    sections: dict[str, Callable[[PageContext, ModelFolder], None]] = {
        "What it is": _facts,
        "Skill": _skill,
        "Checksums": _checksums,
        "Card": _card,
    }
    for title, draw in sections.items():
        st.markdown(f"#### {title}")
        with errors_shown(f"The section {title}"):
            draw(context, folder)


def _facts(_context: PageContext, folder: ModelFolder) -> None:
    draw_table(facts_table(folder.description), key="facts")


def _skill(context: PageContext, folder: ModelFolder) -> None:
    truths = [
        truth
        for truth, models in verified_models(context.workspace.paths).items()
        if folder.name in models
    ]
    if not truths:
        st.info("No forecast of this model has been verified here; `met2net-ops verify` does it.")
        return
    truth = choose("Against", {name: TRUTH_NAMES[name] for name in truths}, key="truth")
    files = sums_of(context.workspace.paths, truth, folder.name, "30")
    found: list[ScoreCurve] = []
    kinds = {part.variable: part.kind for part in sums_cache.inventory(files).parts
             if part.kind in _SKILLS}  # fmt: skip
    for variable, kind in kinds.items():
        curves = sums_cache.score_curves(
            files, Slice(kind, variable), _SKILLS[kind], "lead", None, folder.name
        )
        found += [
            replace(curve, label=variable) for curve in curves if curve.label == _OVER_PERSISTENCE
        ]
    row = score("skill")
    if not found:
        st.info("Persistence was not there to compare with.")
        return
    shown = shown_as(row, "", context.units)
    names = ", ".join(curve.label for curve in found)
    alt = f"Skill of {folder.name} over persistence by lead time: {names}"
    table = curve_table(found, "lead, h", shown.unit, shown.scale)
    plot(lead_figure(found, row, shown), key="skill", alt=alt, table=table)
    cycles = max(int(curve.cycles.max()) for curve in found)
    n = max(int(curve.n.max()) for curve in found)
    said = (
        f"Over persistence, against {TRUTH_NAMES[truth]}, newest 30 days: up to {cycles} cycles, "
    )
    st.caption(plain(f"{said}n up to {n} pairs per point. {explain(row)}"))


def _checksums(context: PageContext, folder: ModelFolder) -> None:
    described = folder.description.weights_sha256
    st.markdown(
        f"- model.json, which names the model in every product: `{folder.checksum}`\n"
        f"- {WEIGHTS_FILE}, as model.json has it: `{described}`"
    )
    if st.button("Check the weights on disk", key="check"):
        found = weights_checksum(folder)
        if found == described:
            st.success("The weights on disk are those that model.json describes.")
        else:
            st.error(
                f"The weights on disk have the checksum `{found}`: they are damaged or belong to "
                "another model. Restore the folder, and run `met2net-ops models check`."
            )
    entry = newest_product(context.workspace.paths, folder.name)
    if entry is not None:
        header = caches.header(caches.stamp(entry.path))
        same = header.model_checksum == folder.checksum
        st.caption(
            f"The newest forecast, {format_time(entry.reference_time)}, was made with "
            + ("this very model." if same else f"another model of this name: "
               f"`{header.model_checksum[:12] or 'no checksum'}`.")
        )  # fmt: skip


def _card(_context: PageContext, folder: ModelFolder) -> None:
    with st.container(border=True):
        st.markdown(visible(read_card(folder.path), keep="\n\t"))
