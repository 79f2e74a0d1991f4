// The broker: a SharedWorker that hands ports of tabs to the worker that runs the node. It keeps nothing and knows
// no content; a tab talks to the worker directly over the port.
//
// From a window: {type: "tab"}, {type: "worker", port}, {type: "connect", tab, port}, {type: "bye"}.
// From a worker, over its port: {type: "lead", tab}. To windows: {type: "leader", tab, epoch}. To the worker: {type: "connect"}.

const tabs = new Set();
let leader = null;
/** Names of the tab whose worker leads, and how many led so far. */
let leads = { type: "leader", tab: "", epoch: 0 };

function lead(worker, tab) {
  leader = worker;
  leads = { type: "leader", tab, epoch: leads.epoch + 1 };
  for (const window of tabs) window.postMessage(leads);
}

function adopt(worker) {
  worker.onmessage = ({ data }) => {
    if (data.type === "lead") lead(worker, data.tab);
  };
}

self.onconnect = ({ ports: [tab] }) => {
  tab.onmessage = ({ data }) => {
    switch (data.type) {
      case "tab":
        tabs.add(tab);
        if (leader) tab.postMessage(leads);
        break;
      case "worker":
        adopt(data.port);
        break;
      case "connect":
        // Into the void if that worker is dead: its successor announces itself and the tab connects again.
        leader?.postMessage({ type: "connect", tab: data.tab, port: data.port }, [data.port]);
        break;
      case "bye":
        tabs.delete(tab);
        break;
      default:
    }
  };
};
