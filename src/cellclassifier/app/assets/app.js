// What the page does: it asks for the state, shows it as text, and sends what is wished.
(() => {
  const QUICK = 400;
  const SLOW = 3000;
  const MAX_BYTES = Number(document.body.dataset.maxBytes);
  const at = (id) => document.getElementById(id);
  let sending = false;
  let state = null;
  let timer = null;
  let closed = false;
  let shownReport = "";

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const sizeOf = (bytes) =>
    bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;

  const mark = (atWork) => { document.documentElement.dataset.state = atWork ? "working" : "resting"; };

  // ---- what is told to the user

  const fail = (message) => {
    at("error").hidden = !message;
    at("error").querySelector("p").textContent = message;
    if (message) at("error").scrollIntoView({ block: "nearest" });
  };
  const showFacts = (id, facts) => {
    at(id).replaceChildren(
      ...Object.entries(facts).map(([name, value]) => {
        const row = element("div", "");
        row.append(element("dt", name), element("dd", value));
        return row;
      }),
    );
  };
  const showChosen = (kind, name, more) => {
    const line = at(`${kind}-chosen`);
    line.hidden = !name;
    line.querySelector(".its-name").textContent = name || "";
    line.querySelector(".more").textContent = more;
  };
  const showModels = (models, path) => {
    at("listed").hidden = models.length === 0;
    const list = at("model-list");
    const known = models.map((model) => model.path).join("\n");
    if (list.dataset.known !== known) {
      list.dataset.known = known;
      list.replaceChildren(
        element("option", "choose one", { value: "" }),
        ...models.map((model) => element("option", model.name, { value: model.path })),
      );
    }
    list.value = models.some((model) => model.path === path) ? path : "";
  };
  const showWork = () => {
    const { doing, n_done: done, n_cells: all, stopping } = state;
    const cells = all ? `: ${done.toLocaleString("en")} of ${all.toLocaleString("en")}` : "";
    at("progress").hidden = !doing;
    at("doing").textContent = doing && `${stopping ? "stopping after this: " : ""}${doing}${cells}`;
    if (all) {
      at("bar").max = all;
      at("bar").value = done;
    } else {
      at("bar").removeAttribute("value");
    }
    at("stop").disabled = stopping;
    const resting = !doing && !sending && !closed;
    for (const control of document.querySelectorAll("[data-needs-rest]")) {
      const lacks = "needsBoth" in control.dataset && !(state.cells && state.model);
      control.disabled = !resting || lacks;
    }
    for (const room of document.querySelectorAll(".drop")) room.classList.toggle("off", !resting);
  };
  const showNamed = () => {
    const { named, made } = state;
    at("result").hidden = !named;
    if (!named) return;
    at("advice").hidden = !named.advice;
    at("advice").classList.toggle("care", named.cautious);
    at("advice").querySelector("h2").textContent = named.cautious ? "Read the labels with care" : "Can the labels be believed?";
    at("advice").querySelector("p").textContent = named.advice;
    showFacts("facts", named.facts);
    at("types").tBodies[0].replaceChildren(
      ...named.types.map(([label, cells, confidence]) => {
        const row = element("tr", "");
        row.append(
          element("th", label, { scope: "row" }),
          element("td", cells.toLocaleString("en"), { class: "number" }),
          element("td", confidence.toFixed(2), { class: "number" }),
        );
        return row;
      }),
    );
    const words = { "named.h5ad": "Annotated cells", "cell_types.csv": "Table", "report.html": "Report" };
    const links = made.map(({ file, name, n_bytes: bytes }) =>
      element("a", `Save: ${words[file]} (${sizeOf(bytes)})`, { href: `files/${file}?save`, download: name, id: `save-${file.split(".")[0]}` }),
    );
    const report = made.find(({ file }) => file === "report.html");
    if (report) links.push(element("a", "Open the report in a tab", { href: "files/report.html", target: "_blank", rel: "noopener" }));
    const shown = JSON.stringify(made);
    if (at("made").dataset.shown !== shown) {
      at("made").dataset.shown = shown;
      at("made").replaceChildren(...links);
    }
    // the report says all of it, and more
    at("summary").hidden = Boolean(report);
    at("report").hidden = !report;
    if (report && shownReport !== shown) at("report").src = `files/report.html?${Date.now()}`;
    shownReport = report ? shown : "";
  };
  const show = (told) => {
    const news = state === null || told.error !== state.error || told.doing !== state.doing;
    state = told;
    if (news) fail(told.error);
    at("notes").hidden = told.notes.length === 0;
    at("notes").querySelector("ul").replaceChildren(...told.notes.map((note) => element("li", note)));
    showModels(told.models, told.model_path);
    showChosen("cells", told.cells, "");
    showChosen("model", told.model, told.types.length ? `${told.types.length} types: ${told.types.join(", ")}` : "");
    at("checked").hidden = !told.checked;
    at("check-note").hidden = Boolean(told.checked);
    if (told.checked) {
      showFacts("found", told.checked.found);
      showFacts("fit", told.checked.fit);
    }
    showWork();
    showNamed();
    mark(told.doing);
  };

  // ---- asking and sending

  const gone = () => {
    closed = true;
    clearTimeout(timer);
    if (state) showWork();
    fail("The app is closed. To go on, start it again and use the new address.");
    at("error").querySelector("h2").textContent = "Closed";
  };
  const ask = async () => {
    clearTimeout(timer);
    if (closed) return;
    try {
      const answer = await fetch("state");
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.json());
    } catch {
      gone();
      return;
    }
    timer = setTimeout(ask, state.doing ? QUICK : SLOW);
  };
  const post = async (where, content) => {
    clearTimeout(timer);
    mark(true);
    try {
      const answer = await fetch(where, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(content),
      });
      const told = await answer.json();
      if (answer.ok) show(told);
      else {
        fail(told.error);
        mark(state.doing);
      }
    } catch {
      gone();
      return;
    }
    timer = setTimeout(ask, QUICK);
  };
  const wishes = () => {
    const told = {};
    for (const control of at("options").elements) {
      if (!control.name) continue;
      if (control.type === "checkbox") told[control.name] = control.checked;
      else if (control.type === "number") told[control.name] = control.valueAsNumber;
      else told[control.name] = control.value.trim();
    }
    return told;
  };
  const upload = (kind, file) => {
    if (!file || sending || !state || state.doing || closed) return;
    if (file.size > MAX_BYTES) {
      fail(`'${file.name}' has ${sizeOf(file.size)}, and ${document.body.dataset.maxSize} can be dropped: give its path instead, or start the app with a larger --max-upload`);
      return;
    }
    fail("");
    sending = true;
    mark(true);
    showWork();
    const bar = element("progress", "", { max: file.size, value: 0, "aria-label": `Reading ${file.name}` });
    at(`${kind}-drop`).append(bar);
    const request = new XMLHttpRequest();
    const asked = new URLSearchParams({ name: file.name, wishes: JSON.stringify(wishes()) });
    request.open("PUT", `upload/${kind}?${asked}`);
    request.upload.onprogress = (event) => { bar.value = event.loaded; };
    request.onloadend = () => {
      sending = false;
      bar.remove();
      at(`${kind}-file`).value = "";
      let told = { error: `'${file.name}' could not be read; give its path instead` };
      try { told = JSON.parse(request.responseText); } catch { /* broken off: told above */ }
      if (request.status === 200) show(told);
      else {
        fail(told.error);
        mark(state.doing);
      }
      showWork();
      timer = setTimeout(ask, QUICK);
    };
    clearTimeout(timer);
    request.send(file);
  };

  // ---- what can be clicked, typed and dropped

  for (const kind of ["cells", "model"]) {
    const drop = at(`${kind}-drop`);
    at(`${kind}-file`).addEventListener("change", (event) => upload(kind, event.target.files[0]));
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      upload(kind, event.dataTransfer.files[0]);
    });
    at(`${kind}-path-form`).addEventListener("submit", (event) => {
      event.preventDefault();
      post(`choose/${kind}`, { ...wishes(), path: at(`${kind}-path`).value });
    });
    let waiting = null;
    at(`${kind}-path`).addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        const answer = await fetch(`completions?${new URLSearchParams({ path: event.target.value })}`);
        const { paths } = await answer.json();
        at(`${kind}-paths`).replaceChildren(...paths.map((path) => element("option", "", { value: path })));
      }, 150);
    });
  }
  // a file dropped beside the rooms would be opened in place of the page
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  at("model-list").addEventListener("change", (event) => {
    if (event.target.value) post("choose/model", { ...wishes(), path: event.target.value });
  });
  at("options").addEventListener("submit", (event) => {
    event.preventDefault();
    post("check", wishes());
  });
  at("annotate").addEventListener("click", () => post("annotate", wishes()));
  at("stop").addEventListener("click", () => post("stop", {}));
  at("close").addEventListener("click", async () => {
    if ((state.doing || state.named) && !window.confirm("Close the app? What was not saved is removed.")) return;
    clearTimeout(timer);
    closed = true;
    await fetch("close", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).catch(() => {});
    gone();
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  ask();
})();
