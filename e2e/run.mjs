// Runs the end-to-end tests: installs what they need, moves into a network of their own where that is allowed,
// and prints the counts in a form scripts can read.
//
//   node run.mjs [FILE…]
//
// The network: this process runs in a fresh network namespace (the hub) with its own bridge; single browsers get
// namespaces of their own, whose link can be taken down. Nothing of the machine's network is touched, nothing
// outside is reached. Where namespaces are not allowed, tests that need one use the app's own offline switch.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split(".")[0]) < 20) {
  console.error("the tests need Node 20 or later");
  process.exit(3);
}

if (!process.env.E2E_NETWORK) {
  install();
  process.exit(inOwnNetwork());
}
await runTests();

function install() {
  const lock = readFileSync(join(here, "package-lock.json"));
  const stamp = createHash("sha256").update(lock).digest("hex");
  const stampPath = join(here, "node_modules/.installed");
  if (existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp) return;
  const done = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: here, stdio: "inherit" });
  if (done.status !== 0) process.exit(done.status ?? 1);
  writeFileSync(stampPath, stamp);
}

/** Starts this program again inside fresh namespaces, or plainly where those are not allowed. */
function inOwnNetwork() {
  const again = [process.execPath, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const unshare = process.getuid?.() === 0 ? ["-n", "-m"] : ["-U", "-r", "-n", "-m"];
  // Chromium gathers no WebRTC candidate on loopback alone: the bridge and its default route are what it needs.
  const setup = [
    "mount -t tmpfs none /run", "ip link set lo up", "ip link add br0 type bridge", "ip addr add 10.77.0.1/24 dev br0",
    "ip link set br0 up", "ip link add up0 type veth peer name up1", "ip link set up0 master br0", "ip link set up0 up",
    "ip link set up1 up", "ip route add default via 10.77.0.254", "ip netns add probe", "ip netns delete probe",
  ].join(" && ");
  const probe = spawnSync("unshare", [...unshare, "sh", "-c", setup], { stdio: "pipe" });
  const allowed = probe.status === 0;
  if (!allowed) console.log(`SKIPPED network namespaces: not allowed here (${String(probe.stderr ?? probe.error).trim().split("\n")[0]})`);
  const command = allowed ? ["unshare", ...unshare, "sh", "-c", `${setup} && exec "$@"`, "sh", ...again] : again;
  const env = { ...process.env, E2E_NETWORK: allowed ? "namespaces" : "plain" };
  return spawnSync(command[0], command.slice(1), { stdio: "inherit", env }).status ?? 1;
}

async function runTests() {
  const { run } = await import("node:test");
  const { spec } = await import("node:test/reporters");
  const out = join(here, "out");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const named = process.argv.slice(2).map((file) => resolve(file));
  const all = readdirSync(join(here, "tests")).filter((file) => file.endsWith(".test.mjs")).sort();
  const files = named.length > 0 ? named : all.map((file) => join(here, "tests", file));
  const counts = { pass: 0, fail: 0, skipped: 0 };
  // A file is reported as a test of its own too: only what is inside files counts, unless a whole file fails.
  const leaf = ({ details, nesting, name }) => details.type !== "suite" && !(nesting === 0 && files.includes(resolve(name)));
  const stream = run({ files, concurrency: false, timeout: 10 * 60 * 1000 });
  stream.on("test:pass", (data) => {
    if (!leaf(data)) return;
    if (data.skip !== undefined) {
      counts.skipped += 1;
      console.log(`SKIPPED ${data.name}: ${data.skip}`);
    } else counts.pass += 1;
  });
  // A suite or file whose tests failed fails with them; one that fails by itself counts.
  stream.on("test:fail", ({ details }) => {
    if (details.error?.failureType !== "subtestsFailed") counts.fail += 1;
  });
  stream.compose(new spec()).pipe(process.stdout);
  await new Promise((ended) => stream.on("end", ended));
  // Browsers that a failed test left behind must not keep the runner alive.
  process.exitCode = counts.fail > 0 ? 1 : 0;
  process.on("exit", () => {
    console.log(`# pass ${counts.pass}\n# fail ${counts.fail}\n# skipped ${counts.skipped}`);
  });
}
