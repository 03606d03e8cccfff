import { realContract } from "./contract.ts";

realContract("logs");
