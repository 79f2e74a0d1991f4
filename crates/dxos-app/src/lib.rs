//! L6: framework core: plugins, capabilities, surfaces, intents, graph, layout
