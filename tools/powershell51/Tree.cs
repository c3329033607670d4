// What a PowerShell script is by the engine's own parser, and what this engine's own .NET has of a type, as JSON.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Management.Automation;
using System.Management.Automation.Language;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;

public static class Tree51
{
    static readonly Dictionary<Type, PropertyInfo[]> Known = new Dictionary<Type, PropertyInfo[]>();

    static void Quote(StringBuilder to, string text)
    {
        to.Append('"');
        foreach (char letter in text)
        {
            if (letter == '"' || letter == '\\') to.Append('\\').Append(letter);
            else if (letter < 32 || letter > 126) to.Append("\\u").Append(((int)letter).ToString("x4"));
            else to.Append(letter);
        }
        to.Append('"');
    }

    static void Each(StringBuilder to, IEnumerable all)
    {
        to.Append('[');
        bool first = true;
        foreach (object one in all)
        {
            if (!first) to.Append(',');
            first = false;
            Value(to, one);
        }
        to.Append(']');
    }

    static void Value(StringBuilder to, object value)
    {
        if (value == null) to.Append("null");
        else if (value is Ast) Node(to, (Ast)value);
        else if (value is string) Quote(to, (string)value);
        else if (value is bool) to.Append((bool)value ? "true" : "false");
        else if (value is VariablePath) Quote(to, ((VariablePath)value).UserPath);
        else if (value is ITypeName) Quote(to, ((ITypeName)value).FullName);
        else if (value is Type) Quote(to, ((Type)value).FullName ?? "");
        else if (value is ITuple) Each(to, Enumerable.Range(0, ((ITuple)value).Length).Select(at => ((ITuple)value)[at]));
        else if (value is ValueType) Quote(to, Convert.ToString(value, CultureInfo.InvariantCulture));
        else if (value is IEnumerable) Each(to, (IEnumerable)value);
        else Quote(to, value.GetType().Name);
    }

    static PropertyInfo[] Told(Type type)
    {
        PropertyInfo[] told;
        if (Known.TryGetValue(type, out told)) return told;
        // The way up and the places are told by themselves.
        string[] left = { "Parent", "Extent", "ErrorPosition" };
        told = type.GetProperties().Where(one => !left.Contains(one.Name) && one.GetIndexParameters().Length == 0
            && !typeof(IScriptExtent).IsAssignableFrom(one.PropertyType)).ToArray();
        Known[type] = told;
        return told;
    }

    static void Node(StringBuilder to, Ast node)
    {
        string kind = node.GetType().Name;
        to.Append("{\"k\":");
        Quote(to, kind.EndsWith("Ast") ? kind.Substring(0, kind.Length - 3) : kind);
        to.Append(",\"l\":").Append(node.Extent.StartLineNumber);
        to.Append(",\"s\":").Append(node.Extent.StartOffset).Append(",\"e\":").Append(node.Extent.EndOffset);
        foreach (PropertyInfo one in Told(node.GetType()))
        {
            object value;
            try { value = one.GetValue(node); }
            catch (TargetInvocationException) { continue; }
            if (value == null || (value is bool && !(bool)value)) continue;
            to.Append(',');
            Quote(to, one.Name);
            to.Append(':');
            Value(to, value);
        }
        to.Append('}');
    }

    static bool Matters(Token token)
    {
        string kind = token.Kind.ToString();
        return token is NumberToken || token is StringToken || kind.StartsWith("Question") || kind == "AndAnd" || kind == "OrOr";
    }

    // Those within the $() of a text too.
    static IEnumerable<Token> All(IEnumerable<Token> tokens)
    {
        foreach (Token one in tokens)
        {
            yield return one;
            var text = one as StringExpandableToken;
            if (text == null || text.NestedTokens == null) continue;
            foreach (Token within in All(text.NestedTokens)) yield return within;
        }
    }

    public static string Script(string path)
    {
        Token[] tokens;
        ParseError[] errors;
        string text = File.ReadAllText(path);
        Ast tree = Parser.ParseInput(text, out tokens, out errors);
        var to = new StringBuilder("{\"errors\":");
        Each(to, errors.Select(one => Tuple.Create<object, object>(one.Extent.StartLineNumber, one.Message)));
        to.Append(",\"tokens\":");
        Each(to, All(tokens).Where(Matters).Select(one => Tuple.Create<object, object, object>(one.Kind, one.Extent.StartLineNumber, one.Text)));
        to.Append(",\"text\":");
        Quote(to, text);
        to.Append(",\"tree\":");
        Node(to, tree);
        return to.Append('}').ToString();
    }

    static string Name(Type type)
    {
        if (type.IsByRef) return Name(type.GetElementType()) + "&";
        if (type.IsArray) return Name(type.GetElementType()) + "[]";
        if (type.IsPointer) return Name(type.GetElementType()) + "*";
        if (type.IsGenericParameter) return (type.DeclaringMethod != null ? "!!" : "!") + type.GenericParameterPosition;
        if (!type.IsGenericType) return type.FullName;
        return type.GetGenericTypeDefinition().FullName + "<" + string.Join(",", type.GetGenericArguments().Select(Name)) + ">";
    }

    static IEnumerable<string> Parameters(MethodBase method)
    {
        foreach (ParameterInfo one in method.GetParameters())
        {
            bool many = one.GetCustomAttributes(typeof(ParamArrayAttribute), false).Length > 0;
            yield return (many ? "params " : "") + (one.IsOptional ? "opt " : "") + Name(one.ParameterType);
        }
    }

    /// <summary>In the shape of the recorded surface: c constructors; m methods by name: s or i, what it returns, parameters.</summary>
    public static string Surface(string name)
    {
        Type type = AppDomain.CurrentDomain.GetAssemblies().Select(one => one.GetType(name, false)).FirstOrDefault(one => one != null && one.IsVisible);
        if (type == null) return "null";
        var to = new StringBuilder("{\"n\":");
        Quote(to, name);
        to.Append(",\"c\":");
        Each(to, type.GetConstructors().Select(Parameters));
        to.Append(",\"m\":{");
        bool first = true;
        foreach (var named in type.GetMethods().GroupBy(one => one.Name))
        {
            if (!first) to.Append(',');
            first = false;
            Quote(to, named.Key);
            to.Append(':');
            Each(to, named.Select(one => Tuple.Create<object, object, object>(one.IsStatic ? "s" : "i", Name(one.ReturnType), Parameters(one))));
        }
        return to.Append("}}").ToString();
    }
}
