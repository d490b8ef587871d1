import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_RDONLY, S_IFMT, S_IFREG, SIGKILL } from "../../ffi/constants.ts";
import { EPOLLIN, pollTwo } from "../../ffi/events.ts";
import { close, openAt, readInto, statIfPresent, withFd } from "../../ffi/files.ts";
import { makePipe } from "../../ffi/launch.ts";
import { libc } from "../../ffi/libc.ts";
import { spawn, waitFor } from "../../ffi/spawn.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";

const DIRECTORIES = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"] as const;
const LOOK_AGAIN_MS = 100;
const ENVIRONMENT = { PATH: DIRECTORIES.join(":"), LC_ALL: "C" };

/** The absolute path of a program in fixed directories of the system, never in the caller's PATH. */
export function findProgram(name: ByteString): ByteString | undefined {
  for (const directory of DIRECTORIES) {
    const path = `${directory}/${name}`;
    const stat = statIfPresent(AT_FDCWD, path, true);
    if (stat !== undefined && (stat.mode & S_IFMT) === S_IFREG && (stat.mode & 0o111) !== 0) return path;
  }
  return undefined;
}

/**
 * Runs a program to its end: by absolute path, with an argument array (without argv[0]) and an environment of
 * PATH, LC_ALL=C and `env`; no shell. Its standard input is empty, its directory is `/`, and it has a session of its own,
 * without a terminal, and `keeps` as its next descriptors. It is killed after about `mostOutput` bytes of output (`cutOff`). The status is 128 plus the number of
 * the signal if one ended it.
 */
export function runProgram(
  path: ByteString,
  programArguments: readonly ByteString[],
  env: Readonly<Record<string, ByteString>> = {},
  mostOutput = Number.POSITIVE_INFINITY,
  keeps: readonly number[] = [],
) {
  // Not Bun.spawn: it passes arguments as UTF-8, and changes others.
  const streams = [makePipe(), makePipe()] as const;
  const [stdout, stderr] = streams;
  let pid: number;
  try {
    pid = withFd(openAt(AT_FDCWD, "/dev/null", O_RDONLY), (nothing) =>
      spawn(path, [path, ...programArguments], {
        env: Object.entries({ ...ENVIRONMENT, ...env }).map(([name, value]) => `${name}=${value}`),
        descriptors: [
          [nothing, 0],
          [stdout.in, 1],
          [stderr.in, 2],
          ...keeps.map((fd, index) => [fd, 3 + index] as const),
        ],
        blocked: 0n,
        // Signals of the terminal come to this process alone.
        newSession: true,
        directory: "/",
      }),
    );
  } catch (error) {
    for (const { out } of streams) close(out);
    throw new JailkitError("cannot-run", 1, `${display(path)}: cannot be started: ${describeError(error)}`);
  } finally {
    for (const stream of streams) close(stream.in);
  }
  const { texts, cutOff, ended } = readBoth([stdout.out, stderr.out], pid, mostOutput);
  if (cutOff && ended === undefined) libc.kill(pid, SIGKILL);
  for (const { out } of streams) close(out);
  const status = ended ?? waitFor(pid) ?? 0;
  return { status, stdout: texts[0], stderr: texts[1], cutOff };
}

/**
 * Reads two pipes of a process to their ends, or until they had more than `most` bytes, or it ended (`ended` is its status):
 * another process that it started may keep them open.
 */
function readBoth(pipes: readonly [number, number], pid: number, most: number) {
  const texts: [ByteString, ByteString] = ["", ""];
  const fds: [number, number] = [...pipes];
  const buffer = new Uint8Array(1 << 16);
  let bytes = 0;
  let ended: number | undefined;
  // poll(2) passes over -1.
  while (Math.max(...fds) >= 0 && bytes <= most) {
    const last = ended !== undefined;
    const wait = last ? 0 : LOOK_AGAIN_MS;
    const ready = pollTwo({ fd: fds[0], events: EPOLLIN }, { fd: fds[1], events: EPOLLIN }, wait);
    if (ready[0] === 0 && ready[1] === 0) {
      if (last) break;
      ended = waitFor(pid, true);
    }
    for (const i of [0, 1] as const) {
      if (ready[i] === 0) continue;
      const count = readInto(fds[i], buffer);
      if (count === 0) fds[i] = -1;
      bytes += count;
      texts[i] += fromBytes(buffer, 0, count);
    }
  }
  return { texts, ended, cutOff: bytes > most };
}
