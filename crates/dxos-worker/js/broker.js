// The broker: a SharedWorker that hands ports of tabs to the worker that runs the node. It keeps nothing and knows
// no content; a tab talks to the worker directly over the port.
//
// From a window: {type: "tab"}, {type: "worker", port}, {type: "connect", tab, port}, {type: "bye"}.
// From a worker, over its port: {type: "lead"}. To windows: {type: "leader", epoch}. To the worker: {type: "connect"}.

const tabs = new Set();
let leader = null;
let epoch = 0;

function lead(worker) {
  leader = worker;
  epoch += 1;
  for (const tab of tabs) tab.postMessage({ type: "leader", epoch });
}

function adopt(worker) {
  worker.onmessage = ({ data }) => {
    if (data.type === "lead") lead(worker);
  };
}

self.onconnect = ({ ports: [tab] }) => {
  tab.onmessage = ({ data }) => {
    switch (data.type) {
      case "tab":
        tabs.add(tab);
        if (leader) tab.postMessage({ type: "leader", epoch });
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
