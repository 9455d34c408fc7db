export const said = "from a small pack";
