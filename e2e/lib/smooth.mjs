// Whether a page ever froze: the tasks of its main thread, as the browser's own trace has them.
//
// A task counts by the processor time it took (`tdur`), not by the clock on the wall: on a machine that also runs
// other things a task of 5 ms can take 200 ms because it did not get a core, and that is not the page's doing.
// A page that waits for something synchronously would show in neither; the wall time is told beside it.

const CATEGORIES = ["disabled-by-default-devtools.timeline", "devtools.timeline", "toplevel"];
/** Names of the tasks of a thread's event loop: one of them is one uninterrupted piece of work. */
const TASKS = new Set(["RunTask", "ThreadControllerImpl::RunTask"]);

/** Traces the browser of a page; the function it gives ends that and tells the events. */
async function trace(page) {
  const wire = await page.context().newCDPSession(page);
  const events = [];
  wire.on("Tracing.dataCollected", ({ value }) => {
    for (const event of value) {
      if (event.ph === "M" || event.ph === "X" || event.ph === "I") events.push(event);
    }
  });
  await wire.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { recordMode: "recordAsMuchAsPossible", includedCategories: CATEGORIES, excludedCategories: ["*"] },
  });
  return async () => {
    const done = new Promise((complete) => { wire.once("Tracing.tracingComplete", complete); });
    await wire.send("Tracing.end");
    await done;
    await wire.detach();
    return events;
  };
}

const threads = (events, named) => events.filter(({ ph, name, args }) => ph === "M" && name === "thread_name" && args.name === named);
const of = ({ pid, tid }) => (event) => event.ph === "X" && event.pid === pid && event.tid === tid;

/** Tasks of a thread's event loop; one within another is part of it. */
function tasksOf(events, thread) {
  const tasks = events.filter(of(thread)).filter(({ name }) => TASKS.has(name)).toSorted((x, y) => x.ts - y.ts || y.dur - x.dur);
  let end = -Infinity;
  return tasks.filter(({ ts, dur }) => {
    if (ts < end) return false;
    end = ts + dur;
    return true;
  });
}

/** Starts to watch; the function it gives ends that and tells the longest tasks of the page's main thread. */
export async function watchTasks(page) {
  const end = await trace(page);
  // Marks this page's thread among all of the browser.
  const mark = `dxos-${Math.random().toString(36).slice(2)}`;
  await page.evaluate((name) => console.timeStamp(name), mark);
  return async () => longest(await end(), mark);
}

/** Starts to watch; the function it gives ends that and tells the processor time of the page's dedicated workers. */
export async function watchWorker(page) {
  const end = await trace(page);
  return async () => {
    const events = await end();
    const workers = threads(events, "DedicatedWorker thread");
    const spent = workers.flatMap((thread) => tasksOf(events, thread)).reduce((sum, { tdur }) => sum + (tdur ?? 0), 0);
    return { cpuMs: spent / 1000, workers: workers.length };
  };
}

function longest(events, mark) {
  const marked = events.find(({ args }) => JSON.stringify(args ?? null).includes(mark));
  // Where the mark did not make it into the trace: the page with most work.
  const spent = (thread) => tasksOf(events, thread).reduce((sum, { tdur }) => sum + (tdur ?? 0), 0);
  const own = marked ?? threads(events, "CrRendererMain").toSorted((x, y) => spent(y) - spent(x))[0];
  const here = events.filter(of(own));
  const tasks = tasksOf(events, own);
  const worst = tasks.toSorted((x, y) => (y.tdur ?? 0) - (x.tdur ?? 0)).slice(0, 3);
  return {
    count: tasks.length,
    cpuMs: (worst[0]?.tdur ?? 0) / 1000,
    wallMs: tasks.reduce((most, { dur }) => Math.max(most, dur), 0) / 1000,
    worst: worst.map((task) => ({ cpuMs: task.tdur / 1000, wallMs: task.dur / 1000, parts: parts(task, here) })),
  };
}

/** What a task did, the longest first: names of the trace. */
function parts(task, events) {
  return events.filter(({ ts, dur, name, tdur }) => !TASKS.has(name) && tdur > 2_000 && ts >= task.ts && ts + dur <= task.ts + task.dur)
    .toSorted((a, b) => b.tdur - a.tdur).slice(0, 6)
    .map(({ name, tdur, args }) => `${name} ${Math.round(tdur / 1000)} ms ${args?.data?.type ?? args?.data?.functionName ?? ""}`.trim());
}
