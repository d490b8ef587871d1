import type { ByteString } from "../../../ffi/bytes.ts";
import { entriesOf, isMissing } from "../../../ffi/files.ts";
import { answered } from "../../cli/error.ts";
import { lackingMounts } from "../../jail/fs/live-mounts.ts";
import { requireSafeJail } from "../../jail/fs/safety.ts";
import { type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { recordedElsewhere } from "../../jail/record/displaced.ts";
import { isEmptied, unmounted, unmountedUnrecorded } from "../../jail/record/emptied.ts";
import { mountsOf } from "../../jail/record/live.ts";
import { type ManifestContent, type ManifestRequest, openManifest } from "../../jail/record/manifest.ts";
import { lostJail } from "../../jail/record/moved.ts";
import { linkRemedy } from "../../jail/record/named-jail.ts";
import { hasProc } from "../../populate/apply/proc.ts";
import { asksForFiles } from "../../populate/record/requests.ts";
import { faultText } from "../change.ts";
import { unmountedFault } from "./absent.ts";
import type { JailState } from "./jail-state.ts";
import type { Machine } from "./machine.ts";

const NONE: ReadonlySet<ByteString> = new Set();

const NOTHING: JailState = {
  ...{
    exists: false,
    lost: false,
    emptied: false,
    fault: undefined,
    sections: NONE,
    files: NONE,
    unfinished: NONE,
  },
  ...{ live: NONE, lacking: new Map(), leftMounts: [], without: NONE, recordOf: () => undefined },
  ...{ others: [], keepsOwners: false },
  ...{ logSocket: false, proc: false, someProc: false, lacksProc: "", unrecorded: false },
};

/**
 * What this machine has of a jail; `use` gets it with the open jail, which is undefined if it does not exist or cannot be
 * used. Nothing in the jail is trusted.
 */
export function withJailState<T>(
  jail: ByteString,
  machine: Machine,
  use: (state: JailState, root: JailRoot | undefined) => T,
): T {
  const { state, root } = openJailState(jail, machine);
  using opened = root;
  return use(state, opened);
}

/** The same for a caller who closes the jail. */
export function openJailState(
  jail: ByteString,
  machine: Machine,
): { state: JailState; root: JailRoot | undefined } {
  let root: JailRoot | undefined;
  let state: JailState;
  try {
    if (isMissing(jail)) state = absentState(jail, machine);
    else {
      root = openJailRoot(jail);
      state = presentState(root, machine);
    }
    const places = machine.displaced();
    const unrecorded = state.unrecorded ? places.withoutRecord(jail) : undefined;
    const displaced = state.fault?.code === "moved" ? undefined : (unrecorded ?? places.faultOf(jail, root));
    if (displaced !== undefined) state = { ...NOTHING, exists: state.exists, fault: displaced };
  } catch (error) {
    root?.[Symbol.dispose]();
    const text = faultText(error);
    const remedy = text.remedy ?? linkRemedy(jail, error, machine.byJail.has(jail));
    return { state: { ...NOTHING, exists: root !== undefined, fault: { ...text, remedy } }, root: undefined };
  }
  if (state.fault === undefined) return { state, root };
  root?.[Symbol.dispose]();
  return { state, root: undefined };
}

/** A jail of before may have left its log socket and its line of proc; jk_init takes the lines of live directories away. */
const absentState = (jail: ByteString, machine: Machine): JailState => ({
  ...{ ...NOTHING, fault: machine.absentFault(jail), lost: answered(() => lostJail(jail)) !== undefined },
  ...{ logSocket: machine.logSocketOf(jail) !== undefined, someProc: machine.mountsProc(jail) },
});

function presentState(root: JailRoot, machine: Machine): JailState {
  requireSafeJail(root, 1);
  const { content, id } = openManifest(root);
  const moved = recordedElsewhere(root, id);
  if (moved !== undefined) return { ...NOTHING, exists: true, fault: moved };
  const requests = content.requests.filter(asksForFiles);
  const emptied = requests.length > 0 && isEmptied(root, content);
  const elsewhere =
    requests.length === 0 ? unmountedUnrecorded(root) : emptied ? unmounted(root.path) : undefined;
  const fault = unmountedFault(elsewhere);
  if (fault !== undefined) return { ...NOTHING, exists: true, fault };
  const [isInFstab, isMounted] = [machine.mountsProc(root.path), hasProc(root)];
  return {
    ...{ exists: true, lost: false, emptied, fault: undefined, ...requested(requests) },
    unrecorded: content.entries.size === 0 && entriesOf(root.fd, 1).length > 0,
    live: new Set(content.live),
    lacking: emptied ? new Map() : lackingOf(root, mountsOf(content), machine),
    leftMounts: machine.liveDirectoriesOf(root.path).filter((one) => !mountsOf(content).includes(one)),
    logSocket: machine.logSocketOf(root.path) !== undefined,
    proc: isInFstab && isMounted,
    someProc: isInFstab || isMounted,
    lacksProc: [
      ...(isMounted ? [] : ["not mounted"]),
      ...(isInFstab ? [] : ["no line of /etc/fstab mounts it at boot"]),
    ].join(", and "),
    without: new Set(content.without),
    recordOf: (path) => content.entries.get(path),
    others: content.others ?? [],
    keepsOwners: requests.some(({ options }) => options.owner === true),
  };
}

/** The directories that are not mounted, or that the next boot would not mount, and why. */
function lackingOf(root: JailRoot, directories: readonly ByteString[], machine: Machine) {
  const unmounted = lackingMounts(root, directories);
  return new Map(
    directories.flatMap((one): [ByteString, string][] => {
      const fault = machine.bootFaultOf(root.path, one);
      const why = [unmounted.includes(one) ? "not mounted" : undefined, fault].filter(
        (part) => part !== undefined,
      );
      return why.length === 0 ? [] : [[one, why.join(", and ")]];
    }),
  );
}

function requested(requests: ManifestContent["requests"]) {
  const names = ({ sections, operands }: ManifestRequest) => [...sections, ...operands];
  // One that was interrupted may have had options that no declaration has: then it stays so.
  const isThere = ({ tool, time }: ManifestRequest, name: ByteString) =>
    requests.some(
      (one) =>
        one.unfinished !== true &&
        one.tool === tool &&
        one.time >= time &&
        Object.keys(one.options).length === 0 &&
        names(one).includes(name),
    );
  const unfinished = requests.filter((request) => request.unfinished === true);
  return {
    sections: new Set(requests.flatMap(({ sections }) => sections)),
    files: new Set(requests.flatMap(({ operands }) => operands)),
    unfinished: new Set(
      unfinished.flatMap((request) => names(request).filter((name) => !isThere(request, name))),
    ),
  };
}
