// Ties the map, which Plotly draws in the browser alone, to the page around it: the lead time goes
// into the address bar, a click and the part of the map that is seen go to Python, buttons and arrow
// keys move the slider, and the value and place under the pointer are written below the map.
//
// Plotly's public events are used, and beside them: the slider's mouse handling, the list of frames
// `_fullLayout` and `_fullData` (whether a figure is whole, and what it shows), and the rectangle `.nsewdrag` that it lays over the
// axes (where a pixel is; `placeUnder`). tests/app/test_browser.py depends on each.
//
// Everything here follows an event: a run of the page (Streamlit then calls this script), a move of
// the slider, a figure drawn again. Only what the reader set playing goes on by itself, until they
// do something else with the map.

const leads = {}; // chart → hours the reader is at, whatever figure is in it
const turns = {}; // chart → number of this script's newest run: older ones stop waiting
const plays = {}; // chart → the timer of its next lead, while it plays
const latest = {}; // chart → what the page was last told of it, for listeners that stay
const wholes = {}; // chart → how often all of the region was asked for
const KEY_STEPS = { ArrowLeft: "back", ArrowRight: "on", Home: "first", End: "last" };
const PACE = 250; // ms from one lead to the next, and what it takes to draw one
const RESTING = 500; // ms without a move: browsers refuse addresses that change all the time
const ZOOMED = 350; // ms without a zoom, after which the map is asked for in the detail it deserves
const CATCH = 6; // pixels around a station
const STRAIGHT = 75; // degrees of latitude within which places are read off the lattice as they are

const radians = (degrees) => degrees * Math.PI / 180;

// Between the four points of a lattice around a share of its width and height; null outside.
const between = (columns, rows, right, up, value) => {
  const x = right * (columns - 1);
  const y = up * (rows - 1);
  if (!(x >= 0 && y >= 0 && x <= columns - 1 && y <= rows - 1)) return null;
  const left = Math.min(Math.floor(x), Math.max(columns - 2, 0));
  const low = Math.min(Math.floor(y), Math.max(rows - 2, 0));
  let sum = 0;
  [[0, 0], [1, 0], [0, 1], [1, 1]].forEach(([a, b]) => {
    const weight = (a ? x - left : 1 - x + left) * (b ? y - low : 1 - y + low);
    if (weight > 0) sum += weight * value(low + b, left + a);
  });
  return Number.isFinite(sum) ? sum : null;
};

// The value of a field at a point of the plane: nearest the edge, that of the outermost points.
const valueAt = (trace, x, y) => {
  const share = (along, at) => {
    const first = along[0];
    const last = along[along.length - 1];
    const half = (last - first) / (along.length - 1) / 2;
    const part = (at - first) / (last - first);
    return at >= first - half && at <= last + half ? Math.min(1, Math.max(0, part)) : Number.NaN;
  };
  return between(trace.x.length, trace.y.length, share(trace.x, x), share(trace.y, y),
    (row, column) => Number(trace.z[row][column] ?? Number.NaN));
};

// The place at a point of the plane, between those of the lattice that came with the map.
const placeAt = (lattice, x, y) => {
  const { west, east, south, north, size, latitudes, longitudes } = lattice;
  let near = null; // longitude of one of the points around
  const part = (value) => between(size, size, (x - west) / (east - west),
    (y - south) / (north - south), (row, column) => {
      const latitude = latitudes[row * size + column];
      if (latitude === null) return Number.NaN;
      near ??= longitudes[row * size + column];
      return value(radians(latitude), radians(longitudes[row * size + column]));
    });
  const latitude = part((value) => value * 180 / Math.PI);
  if (latitude === null) return null;
  if (Math.abs(latitude) < STRAIGHT) {
    const off = part((_, value) => ((value * 180 / Math.PI - near + 540) % 360) - 180);
    return { latitude, longitude: ((off + near + 540) % 360) - 180 };
  }
  // Near a pole, meridians run in all directions.
  const up = part((lat) => Math.sin(lat));
  const ahead = part((lat, lon) => Math.cos(lat) * Math.cos(lon));
  const aside = part((lat, lon) => Math.cos(lat) * Math.sin(lon));
  return {
    latitude: Math.atan2(up, Math.hypot(ahead, aside)) * 180 / Math.PI,
    longitude: Math.atan2(aside, ahead) * 180 / Math.PI,
  };
};

// Where on the plane a pointer is. Plotly tells of points drawn alone.
const placeUnder = (gd, pointer, point) => {
  const number = point.xaxis._id.slice(1);
  const area = gd.querySelector(`.nsewdrag[data-subplot="x${number}y${number}"]`);
  const box = area.getBoundingClientRect();
  const [west, east] = point.xaxis.range;
  const [south, north] = point.yaxis.range;
  return {
    x: west + (pointer.clientX - box.left) / box.width * (east - west),
    y: north - (pointer.clientY - box.top) / box.height * (north - south),
    pixel: (east - west) / box.width,
  };
};

// The station next to a point of the plane, "" if none is near. (What Plotly says is under a click
// may be what was under the pointer 50 ms before.)
const stationAt = (gd, { x, y, pixel }) => {
  const trace = gd._fullData.find((one) => one.name === "stations");
  const off = trace ? Array.from(trace.x, (along, at) => Math.hypot(along - x, trace.y[at] - y)) : [];
  const nearest = off.indexOf(Math.min(...off));
  return off[nearest] <= CATCH * pixel ? String(trace.customdata[nearest]) : "";
};

const written = ({ latitude, longitude }) => {
  const part = (value, positive, negative) => `${Math.abs(value).toFixed(2)}° `
    + (value < 0 ? negative : positive);
  return `${part(latitude, "N", "S")} ${part(longitude, "E", "W")}`;
};

export default function (component) {
  const { data, parentElement, setTriggerValue, setStateValue } = component;
  const chart = data.chart;
  const turn = (turns[chart] || 0) + 1;
  turns[chart] = turn;
  latest[chart] = { data, parentElement, setTriggerValue, setStateValue };
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

  // A line through the meteogram at the lead that the map shows.
  const markLead = () => {
    const plot = document.querySelector(".st-key-meteogram .js-plotly-plot");
    const areas = plot ? [...plot.querySelectorAll(".nsewdrag")] : [];
    if (!areas.length || !leads[chart]) return false;
    const [first, last] = plot._fullLayout.xaxis.range.map((time) => Date.parse(`${time}Z`.replace(" ", "T")));
    const time = Date.parse(latest[chart].data.start) + 3600e3 * Number(leads[chart]);
    const boxes = areas.map((area) => area.getBoundingClientRect());
    const around = plot.getBoundingClientRect();
    let line = plot.querySelector(".lead-line");
    if (!line) {
      line = document.createElement("div");
      line.className = "lead-line";
      line.style.cssText = "position:absolute;width:0;pointer-events:none;border-left:2px dashed #D55E00";
      plot.style.position = "relative";
      plot.append(line);
    }
    const share = (time - first) / (last - first);
    line.hidden = !(share >= 0 && share <= 1);
    line.style.left = `${boxes[0].left - around.left + share * boxes[0].width - 1}px`;
    line.style.top = `${Math.min(...boxes.map((box) => box.top)) - around.top}px`;
    line.style.height = `${Math.max(...boxes.map((box) => box.bottom)) - around.top - parseFloat(line.style.top)}px`;
    return true;
  };
  // The meteogram comes after the map, or not at all.
  const markSoon = (tries) => {
    if (turns[chart] !== turn) return;
    const found = markLead();
    if (tries > 0) setTimeout(() => markSoon(tries - 1), found ? 500 : 100);
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
      latest[chart].markLead();
      status.textContent = plays[chart] ? "" : event.step.label;
      clearTimeout(resting);
      resting = setTimeout(showAddress, RESTING);
    });
    gd.on("plotly_react", () => setTimeout(() => {
      if (gd.isConnected && framesOf(gd).length > 0) settle(gd);
    }));
    gd.on("plotly_click", (event) => {
      const point = event.points[0];
      const at = placeUnder(gd, event.event, point);
      const station = point.xaxis._id === "x" ? stationAt(gd, at) : ""; // they stand on the first map
      latest[chart].setTriggerValue("clicked", { x: at.x, y: at.y, station });
    });
    const reading = () => latest[chart].parentElement.querySelector("[data-reading]");
    gd.on("plotly_hover", (event) => {
      const { x, y } = placeUnder(gd, event.event, event.points[0]);
      const field = event.points.find((p) => p.data.type === "heatmap");
      const parts = [];
      if (field) {
        const value = valueAt(field.fullData, x, y);
        const { units, decimals } = field.data.meta;
        parts.push(value === null ? "no value" : `${value.toFixed(decimals)} ${units}`);
        const isobars = gd._fullData.find((trace) => trace.name === "isobars");
        const pressure = isobars && units !== "hPa" ? valueAt(isobars, x, y) : null;
        if (pressure !== null) parts.push(`${pressure.toFixed(1)} hPa`);
      }
      const place = placeAt(latest[chart].data.lattice, x, y);
      if (place) parts.push(written(place));
      reading().textContent = parts.join(", ");
    });
    gd.on("plotly_unhover", () => { reading().textContent = ""; });
    let zooming = 0;
    gd.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((key) => /^[xy]axis\d*\.range/.test(key))) return;
      clearTimeout(zooming);
      zooming = setTimeout(() => {
        if (!gd.isConnected) return;
        const { xaxis, yaxis } = gd._fullLayout;
        latest[chart].setStateValue("view", {
          area: latest[chart].data.area,
          whole: wholes[chart] || 0,
          west: xaxis.range[0],
          east: xaxis.range[1],
          south: yaxis.range[0],
          north: yaxis.range[1],
        });
      }, ZOOMED);
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
  latest[chart].markLead = markLead;
  markSoon(20);

  parentElement.querySelectorAll("[data-step]").forEach((button) => {
    button.onclick = () => {
      pause();
      step(button.dataset.step);
    };
  });
  playButton.onclick = playOrPause;
  showPlaying();
  parentElement.querySelector("[data-whole]").onclick = () => {
    wholes[chart] = (wholes[chart] || 0) + 1;
    setStateValue("view", { area: data.area, whole: wholes[chart] });
  };
  parentElement.querySelector("[data-picture]").onclick = () => {
    const gd = plot();
    const camera = gd && gd.querySelector('.modebar-btn[data-attr="toImage"], .modebar-btn[data-title*="PNG"], .modebar-btn[data-title*="png"]');
    if (camera) camera.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  };

  return () => {
    turns[chart] += 1;
  };
}
