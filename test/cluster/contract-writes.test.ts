import { realContract } from "./contract.ts";

realContract("writes");
