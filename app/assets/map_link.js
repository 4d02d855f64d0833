// Ties the map, which Plotly draws in the browser alone, to the page around it:
// the lead time goes into the address bar, a click on the map goes to Python, buttons and arrow
// keys move the slider. Only Plotly's public events and the slider's own mouse handling are used.
//
// Everything here follows an event: a run of the page (Streamlit then calls this script), a move of
// the slider, a figure drawn again. Only what the reader set playing goes on by itself, until they
// do something else with the map.

const leads = {}; // chart → hours the reader is at, whatever figure is in it
const turns = {}; // chart → number of this script's newest run: older ones stop waiting
const plays = {}; // chart → the timer of its next lead, while it plays
const KEY_STEPS = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last" };
const PACE = 250; // ms from one lead to the next, and what it takes to draw one
const RESTING = 500; // ms without a move: browsers refuse addresses that change all the time

export default function (component) {
  const { data, parentElement, setTriggerValue, setStateValue } = component;
  const chart = data.chart;
  const turn = (turns[chart] || 0) + 1;
  turns[chart] = turn;
  const status = parentElement.querySelector("[role=status]");
  const buttons = parentElement.querySelectorAll("button");
  const narrow = window.innerWidth < 640;
  if (narrow !== data.narrow) setStateValue("narrow", narrow);

  const plot = () => document.querySelector(`.st-key-${chart} .js-plotly-plot`);
  const slider = (gd) => gd._fullLayout && gd._fullLayout.sliders && gd._fullLayout.sliders[0];
  const framesOf = (gd) => (gd._transitionData && gd._transitionData._frames) || [];
  const hoursOf = (step) => step.label.replace(/[^0-9.]/g, "");

  // Frames are put in after the figure, and until then their names mean those of the one before.
  const isWhole = (gd) => {
    const frames = gd ? framesOf(gd) : [];
    const drawn = frames.length > 0 && frames[0].layout && gd._fullLayout && gd.on && slider(gd)
      && frames[0].layout.meta === gd._fullLayout.meta;
    // Plotly draws no slider with a single step.
    return Boolean(drawn && (frames.length === 1 || gd.querySelector(".slider-rail-touch-rect")));
  };
  const isReady = (gd) => isWhole(gd) && gd._fullLayout.meta === data.figure; // this run's

  const showAddress = () => {
    const gd = plot();
    const url = new URL(window.location.href);
    if (!gd || !leads[chart] || url.searchParams.get("lead") === leads[chart]) return;
    url.searchParams.set("lead", leads[chart]);
    window.history.replaceState(window.history.state, "", url);
  };

  const moveTo = (gd, index) => {
    const state = slider(gd);
    const rail = gd.querySelector(".slider-rail-touch-rect");
    if (!state || !rail || index < 0 || index >= state.steps.length) return;
    const box = rail.getBoundingClientRect();
    const inset = 10; // pixels of rail before the first and after the last step
    const share = index / Math.max(1, state.steps.length - 1);
    const at = {
      bubbles: true,
      clientX: box.left + inset + share * (box.width - 2 * inset),
      clientY: box.top + box.height / 2,
    };
    rail.dispatchEvent(new MouseEvent("mousedown", at));
    gd.dispatchEvent(new MouseEvent("mouseup", at));
  };

  const step = (which) => {
    const gd = plot();
    const state = gd && slider(gd);
    if (!state) return;
    const last = state.steps.length - 1;
    const active = state.active || 0;
    const goal = { first: 0, back: Math.max(0, active - 1), on: Math.min(last, active + 1), last };
    moveTo(gd, goal[which]);
  };

  const playButton = parentElement.querySelector("[data-play]");
  const showPlaying = () => {
    const playing = Boolean(plays[chart]);
    playButton.textContent = playing ? "⏸" : "▶";
    playButton.setAttribute("aria-label", playing ? "pause" : "play");
    playButton.setAttribute("aria-pressed", String(playing));
  };
  const pause = () => {
    clearTimeout(plays[chart]);
    delete plays[chart];
    showPlaying();
  };
  const playOn = () => {
    const gd = plot();
    if (!gd) {
      pause();
      return;
    }
    if (isWhole(gd)) moveTo(gd, ((slider(gd).active || 0) + 1) % slider(gd).steps.length);
    plays[chart] = setTimeout(playOn, PACE);
    showPlaying();
  };
  const playOrPause = () => (plays[chart] ? pause() : playOn());

  // The lead that is drawn: a figure drawn anew is at its first one, wherever its slider is.
  const drawn = (gd) => {
    const notes = gd._fullLayout.annotations || [];
    return framesOf(gd).findIndex((frame) => notes[0]
      && frame.layout.annotations[0].text === notes[0].text);
  };

  // A new figure, and one drawn again, starts at its first lead; the reader stays at theirs, or at
  // the nearest there is.
  const settle = (gd) => {
    const steps = slider(gd).steps;
    const wanted = Number(leads[chart] || data.lead || Number.NaN);
    if (!Number.isFinite(wanted) || steps.length < 2) return;
    const off = steps.map((one) => Math.abs(Number(hoursOf(one)) - wanted));
    const index = off.indexOf(Math.min(...off));
    if (drawn(gd) === index) return;
    // Plotly ignores a move to where the slider is already.
    if (index === (slider(gd).active || 0)) moveTo(gd, index > 0 ? index - 1 : index + 1);
    moveTo(gd, index);
  };

  const attach = (gd) => {
    if (gd.met2netLinked) return;
    gd.met2netLinked = true;
    gd.tabIndex = 0;
    let resting = 0;
    gd.on("plotly_sliderchange", (event) => {
      leads[chart] = hoursOf(event.step);
      status.textContent = plays[chart] ? "" : event.step.label;
      clearTimeout(resting);
      resting = setTimeout(showAddress, RESTING);
    });
    gd.on("plotly_react", () => setTimeout(() => {
      if (gd.isConnected && framesOf(gd).length > 0) settle(gd);
    }));
    gd.on("plotly_click", (event) => {
      const point = event.points.find((p) => p.data.name === "stations") || event.points[0];
      const station = point.data.name === "stations" ? String(point.customdata) : "";
      setTriggerValue("clicked", { longitude: point.x, latitude: point.y, station });
    });
    gd.addEventListener("pointerdown", pause, true); // the reader's: moves made here are no pointers
    gd.addEventListener("keydown", (event) => {
      const which = KEY_STEPS[event.key];
      const ofTheBrowser = event.altKey || event.ctrlKey || event.metaKey; // Alt and an arrow go back
      const ofTheMap = which || (event.key === " " && event.target === gd); // buttons take spaces too
      if (ofTheBrowser || !ofTheMap) return;
      event.preventDefault();
      if (which) {
        pause();
        step(which);
      } else {
        playOrPause();
      }
    });
  };

  const begin = () => {
    if (turns[chart] !== turn) return;
    const gd = plot();
    if (!isReady(gd)) {
      setTimeout(begin, 50);
      return;
    }
    attach(gd);
    settle(gd);
    const steps = slider(gd).steps;
    const known = steps.some((one) => hoursOf(one) === leads[chart]);
    if (!known) leads[chart] = hoursOf(steps[slider(gd).active || 0]);
    showAddress(); // the server, which does not know of the slider, may just have written it
    buttons.forEach((button) => { button.disabled = false; });
  };
  begin();

  parentElement.querySelectorAll("[data-step]").forEach((button) => {
    button.onclick = () => {
      pause();
      step(button.dataset.step);
    };
  });
  playButton.onclick = playOrPause;
  showPlaying();
  parentElement.querySelector("[data-picture]").onclick = () => {
    const gd = plot();
    const camera = gd && gd.querySelector('.modebar-btn[data-attr="toImage"], .modebar-btn[data-title*="PNG"], .modebar-btn[data-title*="png"]');
    if (camera) camera.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  };

  return () => {
    turns[chart] += 1;
  };
}
