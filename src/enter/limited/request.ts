import type { ByteString } from "../../../ffi/bytes.ts";
import { openDirectoryPath, withFd } from "../../../ffi/files.ts";
import { loadConfig } from "../../config/load.ts";
import { someNamedCounts } from "../../confine/directories.ts";
import { systemFiles } from "../../limited-shell/files.ts";
import { LIMITED_CONFIG_FILE, type LimitedRequest } from "./limited.ts";

/** The caller: see LimitedRequest. */
interface LimitedCaller {
  argv: readonly ByteString[];
  environment: readonly ByteString[];
  uid: number;
  gid: number;
}

/** The request of a caller about the files that this process sees: in a jail, the jail's. */
export function limitedRequest(caller: LimitedCaller, accounts: LimitedRequest["accounts"]): LimitedRequest {
  return {
    ...caller,
    accounts,
    loadConfig: () => loadConfig(LIMITED_CONFIG_FILE, { dialect: "c" }),
    files: systemFiles((name) => accounts.userByName(name)?.home),
    someNamedCounts: (scope) => withFd(openDirectoryPath("/"), (root) => someNamedCounts(root, scope)),
  };
}
