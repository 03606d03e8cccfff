import { realContract } from "./contract.ts";

realContract("removals");
