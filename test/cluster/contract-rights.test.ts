import { realContract } from "./contract.ts";

realContract("rights");
