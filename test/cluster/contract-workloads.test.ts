import { realContract } from "./contract.ts";

realContract("workloads");
