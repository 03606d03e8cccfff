import { realContract } from "./contract.ts";

realContract("reads");
