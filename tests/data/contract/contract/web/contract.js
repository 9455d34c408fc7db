console.log("contract");
