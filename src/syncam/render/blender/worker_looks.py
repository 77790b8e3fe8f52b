"""What surfaces and skies look like, inside Blender: node trees; worker.py loads this file."""

import math

import bpy  # pyright: ignore[reportMissingImports]
import numpy as np


def _rgba(colour):
    return (*map(float, colour), 1.0)


class Nodes:
    """Shorthand for building a node tree: values may be numbers, colours or other nodes' sockets."""

    def __init__(self, tree, empty=True):
        if empty:
            tree.nodes.clear()
        self.tree = tree

    def add(self, kind, inputs=(), output: int | str = 0, **settings):
        """A node of that kind; inputs: socket name or number -> value; returns its output socket."""
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in dict(inputs).items():
            if isinstance(value, bpy.types.NodeSocket):
                self.tree.links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value
        return node.outputs[output] if len(node.outputs) else None

    def math(self, operation, *values):
        return self.add("ShaderNodeMath", dict(enumerate(values)), operation=operation)

    def vector(self, operation, *values):
        return self.add("ShaderNodeVectorMath", dict(enumerate(values)), operation=operation, output="Vector")

    def added(self, colour, share, other):
        """The colour plus that share of another."""
        return self.add("ShaderNodeMixRGB", {0: share, 1: colour, 2: _rgba(other)}, blend_type="ADD")

    def smoothstep(self, value, low, high):
        """0 below low, 1 above high, smooth between."""
        limits = {"Value": value, "From Min": low, "From Max": high}
        return self.add("ShaderNodeMapRange", limits, interpolation_type="SMOOTHSTEP")

    def mix(self, *values):
        return self.add("ShaderNodeMixRGB", dict(enumerate(values)))


def surface(name, horizon, fog_metres, colour, one_sided, lamp=None):
    """A matt material that fades into the horizon; colour: a function of the Nodes that gives its colour; one_sided:
    cameras do not see its back; lamp: what gives light where the attribute "glow" is 1, as of the job."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = Nodes(material.node_tree)
    matt = nodes.add("ShaderNodeBsdfDiffuse", {"Color": colour(nodes)})
    if lamp is not None:  # cameras see a colour, not how bright it is
        seen = nodes.add("ShaderNodeLightPath", output="Is Camera Ray")
        given = _rgba(lamp["radiance"] * part for part in lamp["colour"])
        light = nodes.add("ShaderNodeEmission", {"Color": nodes.mix(seen, given, _rgba(lamp["seen"]))})
        glow = nodes.add("ShaderNodeAttribute", attribute_name="glow", output="Fac")
        matt = nodes.add("ShaderNodeMixShader", {0: glow, 1: matt, 2: light})
    shown = _faded(nodes, matt, horizon, fog_metres)
    if one_sided:
        seen = nodes.add("ShaderNodeLightPath", output="Is Camera Ray")
        back = nodes.math("MULTIPLY", seen, nodes.add("ShaderNodeNewGeometry", output="Backfacing"))
        shown = nodes.add("ShaderNodeMixShader", {0: back, 1: shown, 2: nodes.add("ShaderNodeBsdfTransparent")})
    nodes.add("ShaderNodeOutputMaterial", {0: shown})
    return material


def _faded(nodes, shown, horizon, fog_metres):
    """A surface that fades into the horizon with its distance from the camera."""
    haze = nodes.add("ShaderNodeEmission", {"Color": _rgba(horizon)})
    distance = nodes.math("DIVIDE", nodes.add("ShaderNodeLightPath", output="Ray Length"), fog_metres)
    kept = nodes.math("EXPONENT", nodes.math("MULTIPLY", nodes.math("MULTIPLY", distance, distance), -1.0))
    seen = nodes.add("ShaderNodeLightPath", output="Is Camera Ray")
    fog = nodes.math("MULTIPLY", seen, nodes.math("SUBTRACT", 1.0, kept))
    return nodes.add("ShaderNodeMixShader", {0: fog, 1: shown, 2: haze})


def add_haze(items, horizon, fog_metres):
    """The materials of imported things fade into the horizon too."""
    materials = {slot.material for item in items for slot in item.material_slots if slot.material is not None}
    for material in materials:
        if not material.use_nodes:
            continue
        output = material.node_tree.get_output_node("CYCLES")
        if output is None or not output.inputs["Surface"].is_linked:
            continue
        link, nodes = output.inputs["Surface"].links[0], Nodes(material.node_tree, empty=False)
        nodes.tree.links.new(_faded(nodes, link.from_socket, horizon, fog_metres), output.inputs["Surface"])


def painted_colour(nodes):
    return nodes.add("ShaderNodeAttribute", attribute_name="colour")


def ground_colour(nodes, job, arrays):
    """The ground's texture, which repeats."""
    texture = arrays["ground_texture"].astype(np.float32)
    image = bpy.data.images.new("texture", texture.shape[1], texture.shape[0], float_buffer=True, is_data=True)
    rgba = np.concatenate([texture, np.ones_like(texture[..., :1])], axis=-1)
    image.pixels.foreach_set(rgba.ravel())  # row 0 is the lowest, as in the job
    side = job["pattern_metres"]
    east, north = (float(metres) / side for metres in arrays["ground_shift"])
    place = nodes.add("ShaderNodeNewGeometry", output="Position")
    uv = nodes.add("ShaderNodeMapping", {"Vector": place, "Location": (east, north, 0), "Scale": (1 / side,) * 3})
    return nodes.add("ShaderNodeTexImage", {"Vector": uv}, image=image, extension="REPEAT")


def add_sky(scene, light, full):
    """What lights the scene is the ambient light; what cameras see is a sky with a glow about the sun; with full also
    the sun's disc and, at night, stars."""
    world = scene.world = bpy.data.worlds.new("sky")
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"  # it is the same in all directions
    nodes = Nodes(world.node_tree)
    direction = nodes.add("ShaderNodeTexCoord", output="Generated")
    height = nodes.add("ShaderNodeSeparateXYZ", {0: direction}, output=2)
    fall = nodes.math("EXPONENT", nodes.math("MULTIPLY", nodes.math("MAXIMUM", height, 0.0), -4.5))
    sky = nodes.mix(fall, _rgba(light["zenith"]), _rgba(light["horizon"]))
    facing = nodes.add(
        "ShaderNodeVectorMath", {0: direction, 1: tuple(light["to_sun"])}, operation="DOT_PRODUCT", output="Value"
    )
    glow = nodes.math("POWER", nodes.math("MAXIMUM", facing, 0.0), 8.0)
    bright = nodes.added(sky, glow, 0.18 * light["sunlight"])
    clear = min(max((float(light["fog_metres"]) - 115) / 30, 0.0), 1.0)  # not under clouds
    if full and clear:
        disc = nodes.smoothstep(facing, 0.9975, 0.9985)
        bright = nodes.added(bright, disc, clear * (light["sunlight"] + 0.3))
        darkness = min(max(1 - 12 * float(light["zenith"] @ (0.3, 0.5, 0.2)), 0.0), 1.0)
        if darkness:
            shine = nodes.math("MULTIPLY", _stars(nodes, direction), nodes.math("GREATER_THAN", height, 0.02))
            bright = nodes.added(bright, shine, clear * darkness * np.array([0.9, 0.92, 1.0]))
    seen = nodes.add("ShaderNodeLightPath", output="Is Camera Ray")
    shown = nodes.mix(seen, _rgba(light["ambient_up"]), bright)
    nodes.add("ShaderNodeOutputWorld", {0: nodes.add("ShaderNodeBackground", {"Color": shown})})


def _stars(nodes, direction):
    """How bright the stars are in a direction: a few of the cells of a grid hold one, as in the fast engine's sky."""
    spread = nodes.vector("MULTIPLY", direction, (70.0,) * 3)
    mixed = nodes.vector("MULTIPLY", nodes.vector("FLOOR", spread), (0.3183099,) * 3)
    mixed = nodes.vector("FRACTION", nodes.vector("ADD", mixed, (0.71, 0.113, 0.419)))
    mixed = nodes.vector("MULTIPLY", mixed, (17.0,) * 3)
    x, y, z = (nodes.add("ShaderNodeSeparateXYZ", {0: mixed}, output=axis) for axis in range(3))
    product = nodes.math("MULTIPLY", nodes.math("MULTIPLY", x, y), z)
    product = nodes.math("MULTIPLY", product, nodes.math("ADD", nodes.math("ADD", x, y), z))
    lit = nodes.math("GREATER_THAN", nodes.math("FRACT", product), 0.955)
    middle = nodes.vector("SUBTRACT", nodes.vector("FRACTION", spread), (0.5,) * 3)
    apart = nodes.add("ShaderNodeVectorMath", {0: middle}, operation="LENGTH", output="Value")
    return nodes.math("MULTIPLY", lit, nodes.math("SUBTRACT", 1.0, nodes.smoothstep(apart, 0.1, 0.5)))


def add_panorama(scene, told):
    """A picture of all directions, which lights the scene and is seen behind it."""
    world = scene.world = bpy.data.worlds.new("panorama")
    world.use_nodes = True
    nodes = Nodes(world.node_tree)
    direction = nodes.add("ShaderNodeTexCoord", output="Generated")
    turned = nodes.add("ShaderNodeMapping", {"Vector": direction, "Rotation": (0, 0, math.radians(told["turn_deg"]))})
    picture = nodes.add("ShaderNodeTexEnvironment", {"Vector": turned}, image=bpy.data.images.load(told["file"]))
    nodes.add("ShaderNodeOutputWorld", {0: nodes.add("ShaderNodeBackground", {0: picture, 1: told["strength"]})})
