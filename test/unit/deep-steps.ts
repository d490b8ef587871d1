import { closeJailRoot, openJailRoot } from "../../src/jail/fs/walk.ts";
import { removeTree } from "../../src/jail/fs/write.ts";
import { codeOf, seen } from "./jail-helper.ts";

/** Removes a tree of the jail that is the argument, with the few descriptors that this process may have. */
const root = openJailRoot(process.argv[2] ?? "");
process.stdout.write(codeOf(() => removeTree(root, "/usr/t", seen(root, "/usr/t"))));
closeJailRoot(root);
