console.log("by hand");
