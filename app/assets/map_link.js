// Ties the map, which Plotly draws in the browser alone, to the page around it:
// the lead time goes into the address bar, a click on the map goes to Python, buttons and arrow
// keys move the slider. Only Plotly's public events and the slider's own mouse handling are used.

const leads = {}; // chart → hours the reader is at, whatever figure is in it
const keepers = {}; // chart → timer that keeps the reader at their lead
const KEY_STEPS = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last" };

export default function (component) {
  const { data, parentElement, setTriggerValue, setStateValue } = component;
  const status = parentElement.querySelector("[role=status]");
  const narrow = window.innerWidth < 640;
  if (narrow !== data.narrow) setStateValue("narrow", narrow);

  const plot = () => document.querySelector(`.st-key-${data.chart} .js-plotly-plot`);
  const slider = (gd) => gd._fullLayout && gd._fullLayout.sliders && gd._fullLayout.sliders[0];

  const remember = (hours) => {
    const url = new URL(window.location.href);
    if (url.searchParams.get("lead") === hours) return;
    url.searchParams.set("lead", hours);
    window.history.replaceState(window.history.state, "", url);
  };
  const hoursOf = (step) => step.label.replace(/[^0-9.]/g, "");

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
    const text = gd.querySelector(".gtitle");
    if (text && status) status.textContent = slider(gd).steps[slider(gd).active].label;
  };

  const attach = (gd) => {
    if (gd.met2netLinked) return;
    gd.met2netLinked = true;
    gd.tabIndex = 0;
    gd.on("plotly_sliderchange", (event) => {
      leads[data.chart] = hoursOf(event.step);
      remember(leads[data.chart]);
    });
    gd.on("plotly_click", (event) => {
      const point = event.points.find((p) => p.data.name === "stations") || event.points[0];
      const station = point.data.name === "stations" ? String(point.customdata) : "";
      setTriggerValue("clicked", { longitude: point.x, latitude: point.y, station });
    });
    gd.addEventListener("keydown", (event) => {
      const which = KEY_STEPS[event.key];
      if (!which) return;
      event.preventDefault();
      step(which);
    });
  };

  // A new figure starts at its first lead; the reader stays at theirs.
  const settle = (gd) => {
    const state = slider(gd);
    const wanted = leads[data.chart] || data.lead;
    if (!wanted) return;
    const index = state.steps.findIndex((one) => hoursOf(one) === wanted);
    if (index >= 0 && index !== data.first && gd.met2netFigure !== data.figure) {
      // Plotly may keep the slider's place over the new figure, and then ignores a move to it.
      if (index === (state.active || 0)) moveTo(gd, index > 0 ? index - 1 : index + 1);
      moveTo(gd, index);
    }
    gd.met2netFigure = data.figure;
    leads[data.chart] = hoursOf(state.steps[index >= 0 ? index : data.first]);
    remember(leads[data.chart]);
  };

  let waiting = 0;
  let stopped = false;
  const wait = () => {
    if (stopped) return;
    const gd = plot();
    const frames = (gd && gd._transitionData && gd._transitionData._frames) || [];
    // Frames are put in after the figure: until then their names mean the old ones.
    const framed = frames.length > 0 && frames[0].layout && frames[0].layout.meta === data.figure;
    const ready = framed && gd.on && slider(gd) && gd._fullLayout.meta === data.figure;
    if (ready && gd.querySelector(".slider-rail-touch-rect")) {
      attach(gd);
      settle(gd);
    } else if (waiting++ < 400) {
      setTimeout(wait, 50);
    }
  };
  wait();

  parentElement.querySelectorAll("[data-step]").forEach((button) => {
    button.onclick = () => step(button.dataset.step);
  });
  const picture = parentElement.querySelector("[data-picture]");
  picture.onclick = () => {
    const gd = plot();
    const camera = gd && gd.querySelector('.modebar-btn[data-attr="toImage"], .modebar-btn[data-title*="PNG"], .modebar-btn[data-title*="png"]');
    if (camera) camera.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  };

  // The server writes the address bar anew with every run, at any time after the map is drawn.
  clearInterval(keepers[data.chart]);
  keepers[data.chart] = setInterval(() => {
    const gd = plot();
    if (!gd || !leads[data.chart]) return;
    remember(leads[data.chart]);
    // Drawn again, as for another width, the figure is back at its first lead.
    const state = gd.met2netFigure === data.figure && slider(gd);
    const index = state ? state.steps.findIndex((one) => hoursOf(one) === leads[data.chart]) : -1;
    if (index >= 0 && index !== (state.active || 0)) moveTo(gd, index);
  }, 300);

  return () => {
    stopped = true;
    clearInterval(keepers[data.chart]);
  };
}
