"use strict";
// What Bokeh drew, put into its place and into the colours of the page.
const Plots = (() => {
  const models = () => (window.Bokeh ? Bokeh.documents.flatMap((doc) => [...doc._all_models.values()]) : []);

  const colourAxis = (axis, ink, line) => {
    axis.setv({
      axis_label_text_color: ink,
      axis_label_text_font_style: "normal",
      major_label_text_color: ink,
      axis_line_color: line,
      major_tick_line_color: line,
      minor_tick_line_color: null,
    });
  };
  const colour = () => {
    const ink = Theme.colour("--ink");
    const line = Theme.colour("--line");
    const card = Theme.colour("--card");
    for (const model of models()) {
      if (model.type === "Figure") {
        // filled, not left out: what an earlier size of the canvas drew would stay
        model.setv({ background_fill_color: card, border_fill_color: card, outline_line_color: line });
      } else if (model.type.endsWith("Axis")) {
        colourAxis(model, ink, line);
      } else if (model.type === "Grid") {
        model.setv({ grid_line_color: line, grid_line_alpha: 0.6 });
      } else if (model.type === "Legend") {
        model.setv({
          label_text_color: ink,
          background_fill_color: card,
          background_fill_alpha: 0.8,
          border_line_color: null,
        });
      } else if (model.type === "GlyphRenderer" && model.name === "ink") {
        model.glyph.setv({ line_color: ink });
      }
    }
  };

  const draw = async () => {
    for (const script of document.querySelectorAll("script.plot")) {
      await Bokeh.embed.embed_item(JSON.parse(script.textContent));
    }
    colour();
    Theme.watch(colour);
  };

  return {
    named: (name) => models().find((model) => model.name === name),
    ready: window.Bokeh ? draw() : Promise.resolve(),
  };
})();
