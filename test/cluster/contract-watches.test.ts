import { realContract } from "./contract.ts";

realContract("watches");
