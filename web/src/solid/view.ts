/** A solid that one can look at from all sides: glTF, OBJ, STL, PLY. Drawn when something changed, by no clock. */
import {
  AmbientLight, Box3, type BufferGeometry, Color, DirectionalLight, Mesh, MeshStandardMaterial, type Object3D, PerspectiveCamera, Scene, Sphere, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";

export interface SolidView {
  readonly resize: (width: number, height: number) => void;
  /** Turn by so many radians, about the upright and up or down. */
  readonly turn: (around: number, over: number) => void;
  /** Nearer under 1, farther over it. */
  readonly zoom: (factor: number) => void;
  /** As it stood at first. */
  readonly reset: () => void;
  /** Only who works with it takes the wheel from the canvas. */
  readonly setWheel: (on: boolean) => void;
  /** Corners of all triangles. */
  readonly corners: number;
  readonly end: () => void;
}

/** @param name its ending says what it is. @throws Error if the file cannot be read, or the browser draws no solids. */
export async function showSolid(canvas: HTMLCanvasElement, url: string, name: string, plain: string): Promise<SolidView> {
  const solid = await load(url, name, plain);
  const renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true });
  const scene = new Scene();
  const camera = new PerspectiveCamera(35, 1, 0.01, 100);
  const light = new DirectionalLight(0xffffff, 2.2);
  light.position.set(1, 2, 3);
  camera.add(light); // from where one looks, so that no side lies in the dark
  scene.add(new AmbientLight(0xffffff, 1.1), camera, centred(solid));
  const controls = new OrbitControls(camera, canvas);
  controls.enableZoom = false;
  camera.position.set(1.6, 1.1, 2.6);
  controls.saveState();
  const draw = (): void => renderer.render(scene, camera);
  controls.addEventListener("change", draw);
  controls.update();
  return {
    resize: (width, height) => {
      camera.aspect = width / Math.max(1, height);
      camera.updateProjectionMatrix();
      renderer.setPixelRatio(Math.min(2, devicePixelRatio));
      renderer.setSize(width, height, false);
      draw();
    },
    turn: (around, over) => {
      const at = camera.position.clone();
      at.applyAxisAngle(new Vector3(0, 1, 0), around);
      const side = new Vector3().crossVectors(at, new Vector3(0, 1, 0)).normalize();
      const next = at.clone().applyAxisAngle(side, over);
      if (Math.abs(next.clone().normalize().y) < 0.99) at.copy(next);
      camera.position.copy(at);
      controls.update();
      draw();
    },
    zoom: (factor) => {
      camera.position.multiplyScalar(Math.max(0.2, Math.min(5, factor)));
      controls.update();
      draw();
    },
    reset: () => controls.reset(),
    setWheel: (on) => (controls.enableZoom = on),
    corners: cornersOf(solid),
    end: () => {
      controls.dispose();
      solid.traverse((part) => part instanceof Mesh && (part.geometry as BufferGeometry).dispose());
      renderer.dispose();
      renderer.forceContextLoss();
    },
  };
}

async function load(url: string, name: string, plain: string): Promise<Object3D> {
  const skin = (): MeshStandardMaterial => new MeshStandardMaterial({ color: new Color(plain), roughness: 0.75 });
  const alone = (geometry: BufferGeometry): Mesh => {
    if (!geometry.getAttribute("normal")) geometry.computeVertexNormals();
    return new Mesh(geometry, skin());
  };
  switch (/\.(\w+)$/.exec(name)?.[1]?.toLowerCase()) {
    case "obj": {
      const { OBJLoader } = await import("three/addons/loaders/OBJLoader.js");
      return new OBJLoader().loadAsync(url);
    }
    case "stl": {
      const { STLLoader } = await import("three/addons/loaders/STLLoader.js");
      return alone(await new STLLoader().loadAsync(url));
    }
    case "ply": {
      const { PLYLoader } = await import("three/addons/loaders/PLYLoader.js");
      return alone(await new PLYLoader().loadAsync(url));
    }
    default: {
      const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
      const { scene } = await new GLTFLoader().loadAsync(url);
      // What has no look of its own gets a quiet one; ours are written without normals.
      scene.traverse((part) => {
        if (!(part instanceof Mesh)) return;
        const geometry = part.geometry as BufferGeometry;
        if (!geometry.getAttribute("normal")) geometry.computeVertexNormals();
        const { material } = part as Mesh;
        if (!Array.isArray(material) && material.name === "" && !("map" in material && material.map) && !geometry.getAttribute("color")) part.material = skin();
      });
      return scene;
    }
  }
}

/** About the middle, and as large as all others. */
function centred(solid: Object3D): Object3D {
  const ball = new Box3().setFromObject(solid).getBoundingSphere(new Sphere());
  const size = 1 / Math.max(1e-9, ball.radius);
  solid.scale.multiplyScalar(size);
  solid.position.sub(ball.center.multiplyScalar(size));
  return solid;
}

function cornersOf(solid: Object3D): number {
  let count = 0;
  solid.traverse((part) => {
    if (part instanceof Mesh) count += (part.geometry as BufferGeometry).getAttribute("position")?.count ?? 0;
  });
  return count;
}
